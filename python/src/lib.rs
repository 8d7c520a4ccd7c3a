//! The native module of the Python package `sharpsweep`.
//!
//! It is private: the functions that users call, with their documentation, are in `python/sharpsweep`. Arrays are
//! copied before the interpreter is left, so that no other thread can change them, and columns move into NumPy.

mod arrays;
mod errors;
mod options;
mod others;
mod process;
mod reproduce;
mod resume;
mod run;
mod sweep;
mod work;

#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::arrays::check_type;
    #[pymodule_export]
    use crate::errors::Error;
    #[pymodule_export]
    use crate::others::{adapters, bracket, built_in_data, check, merge};
    #[pymodule_export]
    use crate::reproduce::{marked, reproduce};
    #[pymodule_export]
    use crate::resume::resume;
    #[pymodule_export]
    use crate::run::{Directory, Memory};
    #[pymodule_export]
    use crate::sweep::{evaluate, sweep};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
