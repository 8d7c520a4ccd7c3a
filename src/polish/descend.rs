//! Downhill by Newton's method in a trust region.

use super::end::{End, Judge};
use super::local::{Local, length};
use super::objective::Objective;
use super::trust_region::trust_region_step;
use crate::engine::{EngineError, Stop};

/// The first radius of the trust region.
const RADIUS: f64 = 1.0;

/// Changes of the objective below this part of 1 + |F| are decided by the gradient: they are lost in the rounding of F.
const UNSEEN: f64 = 1e-10;

/// What rounding may add to F, as a part of 1 + |F|.
const ROUNDING: f64 = 1e-13;

/// A radius below this part of 1 + |theta| moves nothing.
const SMALLEST: f64 = 1e-15;

/// Follows the network at `local` downhill until it arrives: where, at what, and after how many steps.
pub(super) fn descend(judge: &Judge<'_>, mut local: Local, stop: &Stop) -> Result<(Local, End, u32), EngineError> {
    let objective = judge.objective;
    let mut radius = RADIUS;
    let mut steps = 0;
    let end = loop {
        stop.check()?;
        // A saddle is no end: there the step goes down along its negative curvature.
        match judge.end(&local) {
            Some(End::Saddle) | None => {}
            Some(end) => break end,
        }
        if steps == judge.how.max_steps || radius < SMALLEST * (1.0 + local.length()) {
            break End::Unfinished;
        }
        steps += 1;
        let (step, lowered) = trust_region_step(&local.eigenvalues, &local.along, radius);
        let tried = step.norm();
        let theta = local.moved(&step);
        let value = objective.value(&theta);
        let scale = 1.0 + local.value.abs();
        let ratio = (local.value - value) / lowered;
        let unseen = lowered <= UNSEEN * scale;
        if unseen && let Some(next) = settled(objective, &local) {
            local = next;
            continue;
        }
        let accepted = if unseen {
            let gradient = length(&objective.gradient(&theta));
            value <= local.value + ROUNDING * scale && (gradient < local.gradient || local.index() > 0)
        } else {
            ratio > 1e-4
        };
        let next = if accepted { Local::at(objective, theta) } else { None };
        let Some(next) = next else {
            radius = 0.25 * tried.min(radius);
            continue;
        };
        local = next;
        if unseen || ratio > 0.75 {
            radius = radius.max(2.0 * tried);
        } else if ratio < 0.25 {
            radius = 0.25 * tried;
        }
    };
    Ok((local, end, steps))
}

/// Where minima are not isolated, as with linear units, the eigenvalues along them are about |g| in size and of either
/// sign until one is reached. They count as 0 up to this multiple of |g|.
const ALONG: f64 = 100.0;

/// And up to this part of ||H||_F at most.
const MOST_ALONG: f64 = 1e-3;

/// The point after a Newton step along the larger eigenvalues alone, if there are no negative ones of that size and the
/// step at least halves |g|.
fn settled(objective: Objective<'_>, local: &Local) -> Option<Local> {
    let null = (ALONG * local.gradient).min(MOST_ALONG * local.norm).max(local.tau());
    if local.eigenvalues.min() < -null {
        return None;
    }
    let step = local.along.zip_map(&local.eigenvalues, |along, value| if value > null { -along / value } else { 0.0 });
    let theta = local.moved(&step);
    let rises = objective.value(&theta) > local.value + ROUNDING * (1.0 + local.value.abs());
    let better = !rises && length(&objective.gradient(&theta)) <= 0.5 * local.gradient;
    better.then(|| Local::at(objective, theta)).flatten()
}
