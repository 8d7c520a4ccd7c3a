//! Where the descent of a network ends: its weights are followed in f64 to the end of their objective, and what lies
//! there is told apart.
//!
//! A small g.g proves no minimum. Where training stops at g.g below its tolerance, the smallest eigenvalue is often
//! below zero, and without decay the loss of most networks goes on falling while the weights run to infinity, so that
//! g.g becomes as small as one likes where no minimum is. [`End`] has the definitions, [`Polish`] the two ways there.

mod descend;
mod end;
mod local;
mod nearest;
mod objective;
mod settings;
mod trust_region;

use rayon::prelude::*;

use crate::engine::{EngineError, Stop};
use crate::model::Theta;
use descend::descend;
use end::Judge;
use local::{Local, length};
use nearest::nearest;

pub use end::{End, Polished};
pub use objective::Objective;
pub use settings::{Polish, PolishMode};

/// Follows the network `theta` (D,) to the end of `objective`; `None` if its weights or its Hessian are not finite.
///
/// # Errors
/// [`EngineError::Stopped`] after `stop` was requested, [`EngineError::Limit`] for others than the paper's problems.
pub fn polish(
    objective: Objective<'_>,
    theta: &[f64],
    how: &Polish,
    stop: &Stop,
) -> Result<Option<Polished>, EngineError> {
    let Some(start) = Local::at(objective, theta.to_vec()) else { return Ok(None) };
    let judge = Judge::new(objective, how, &start);
    let (mut local, mut end, steps) = match how.mode {
        PolishMode::Descend => descend(&judge, start, stop)?,
        PolishMode::Nearest { radius } => nearest(&judge, start, radius, stop)?,
    };
    if matches!(end, End::Minimum | End::Saddle) {
        local = refined(objective, local);
        // An eigenvalue next to tau may have crossed it.
        end = judge.end(&local).unwrap_or(end);
    }
    Ok(Some(judge.polished(local, end, steps)))
}

/// A critical point after more Newton steps, as long as each at least halves |g|: as near as f64 allows.
fn refined(objective: Objective<'_>, mut local: Local) -> Local {
    loop {
        let theta = local.moved(&local.regular_newton());
        let gradient = length(&objective.gradient(&theta));
        let better = gradient <= 0.5 * local.gradient && gradient < local.gradient;
        let Some(next) = better.then(|| Local::at(objective, theta)).flatten() else { return local };
        local = next;
    }
}

/// [`polish`] for each row of `theta` (S, D), in order, on all cores.
///
/// # Errors
/// As [`polish`].
pub fn polish_each(
    objective: Objective<'_>,
    theta: Theta<'_>,
    how: &Polish,
    stop: &Stop,
) -> Result<Vec<Option<Polished>>, EngineError> {
    // One network per task: their numbers of steps differ much.
    let rows = (0..theta.nrows()).into_par_iter().with_max_len(1);
    rows.map(|row| polish(objective, &theta.network(row), how, stop)).collect()
}
