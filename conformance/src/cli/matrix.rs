//! `matrix`: statements against code, unit tests and traces.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use mqtt_conformance::statements::Matrix;

use super::print;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Compare with conformance/spec/coverage.md instead of printing.
    #[arg(long)]
    check: bool,
    /// The folder of the workspace, with its sources.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    workspace: PathBuf,
}

impl Arguments {
    pub(super) fn run(self) -> Result<bool, String> {
        let matrix = Matrix::find(&self.workspace).map_err(|e| e.to_string())?;
        for fault in matrix.faults() {
            eprintln!("{fault}");
        }
        if !self.check {
            print(matrix.markdown())?;
            return Ok(matrix.faults().is_empty());
        }
        let path = self.workspace.join("conformance/spec/coverage.md");
        let present = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let is_current = present == matrix.markdown();
        if !is_current {
            eprintln!("{} is not what `matrix` prints", path.display());
        }
        Ok(is_current && matrix.faults().is_empty())
    }
}
