//! To the nearest critical point of any index, by damped steps on |g|.

use super::end::{End, Judge};
use super::local::{Local, length};
use crate::engine::{EngineError, Stop};

/// The first damping, as a part of the largest squared eigenvalue.
const DAMPING: f64 = 1e-3;

/// Damping beyond this multiple of the largest squared eigenvalue moves nothing.
const MOST_DAMPING: f64 = 1e20;

/// Follows the network at `local` to where |g| is 0, within `radius`: where, at what, and after how many steps.
///
/// The Levenberg-Marquardt step for |g|^2 / 2, whose Jacobian is H: p_k = -lambda_k u_k.g / (lambda_k^2 + mu).
pub(super) fn nearest(
    judge: &Judge<'_>,
    mut local: Local,
    radius: f64,
    stop: &Stop,
) -> Result<(Local, End, u32), EngineError> {
    let objective = judge.objective;
    let mut damping = DAMPING;
    let mut steps = 0;
    let end = loop {
        stop.check()?;
        if let Some(end) = judge.end(&local) {
            break end;
        }
        if steps == judge.how.max_steps || damping > MOST_DAMPING {
            break End::Unfinished;
        }
        steps += 1;
        let mu = damping * local.eigenvalues.amax().powi(2);
        let step = local.along.zip_map(&local.eigenvalues, |along, value| -value * along / (value * value + mu));
        let theta = local.moved(&step);
        let gradient = length(&objective.gradient(&theta));
        // Of |g|^2, by the linear model of g.
        let linear = local.along.zip_zip_map(&local.eigenvalues, &step, |along, value, p| along + value * p);
        let lowered = local.gradient.powi(2) - linear.norm_squared();
        let ratio = (local.gradient.powi(2) - gradient.powi(2)) / lowered;
        let next = if ratio > 1e-4 { Local::at(objective, theta) } else { None };
        let Some(next) = next else {
            damping *= 4.0;
            continue;
        };
        if judge.distance(&next.theta) > radius {
            break End::LeftRadius;
        }
        local = next;
        if ratio > 0.75 {
            damping *= 0.2;
        } else if ratio < 0.25 {
            damping *= 2.0;
        }
    };
    Ok((local, end, steps))
}
