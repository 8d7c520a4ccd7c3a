//! What a report says of the ends of descents, for a run that followed them.

use std::error::Error;

use super::drawing::{Figure, Gap};
use super::figures::ENDS;
use super::figures::ends::{EndPoints, ends_of_descents};
use crate::analysis::{DistinctEnds, distinct_ends};
use crate::polish::End;
use crate::run::{EndCounts, Population, Run, RunError};

/// The figure of the ends of a run's descents, or why there is none; `None` for a run that did not follow them.
pub(super) fn figure_of_ends(run: &Run) -> Option<Result<Figure, Gap>> {
    run.has("end")
        .then(|| drawn(run).map_err(|why| Gap { name: ENDS.0.into(), title: ENDS.1.into(), why: why.to_string() }))
}

fn drawn(run: &Run) -> Result<Figure, Box<dyn Error>> {
    let (objective, lambda_max) = (run.floats("objective_polished")?, run.floats("lambda_max_polished")?);
    let at = |column: &[f64], rows: &[usize]| rows.iter().map(|&row| column[row]).collect::<Vec<f64>>();
    let points = run.polished_points()?;
    let found = distinct_ends(&points.compared())?;
    let first: Vec<usize> = found.basins.iter().map(|basin| points.rows[basin.first]).collect();
    let networks: Vec<f64> = found.basins.iter().map(|basin| basin.networks as f64).collect();
    let ends = run.end_numbers()?;
    let valleys: Vec<usize> = (0..ends.len()).filter(|&row| ends[row] == End::Valley as u8).collect();
    let sentence = in_words(run, &found)?;
    Ok(ends_of_descents(&EndPoints {
        objective: &at(&objective, &first),
        lambda_max: &at(&lambda_max, &first),
        networks: &networks,
        valley_objective: &at(&objective, &valleys),
        valley_lambda_max: &at(&lambda_max, &valleys),
        found: &sentence,
    })?)
}

fn in_words(run: &Run, found: &DistinctEnds) -> Result<String, Box<dyn Error>> {
    let decay = match run.manifest().spec.work.weight_decay() {
        0.0 => "Without weight decay".to_owned(),
        decay => format!("With weight decay {decay}"),
    };
    let distinct = if found.first_of.is_empty() { String::new() } else { format!(" {found}.") };
    Ok(format!("{decay}, the ends of all descents are: {}.{distinct}", counted(run)?))
}

/// How many networks came to each end, in words.
fn counted(run: &Run) -> Result<String, RunError> {
    let EndCounts { minimum, saddle, valley, left_radius, unfinished } = run.ends(Population::All)?.unwrap_or_default();
    let counts = [
        (minimum, "minimum"),
        (saddle, "saddle"),
        (valley, "valley"),
        (left_radius, "left the radius"),
        (unfinished, "unfinished"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, end)| format!("{end} {count}")).collect();
    Ok(counts.join(", "))
}

/// The row of the report's table on where the descents of a run end; `None` for a run that did not follow them.
pub(super) fn row_of_ends(run: &Run) -> Option<(String, String)> {
    run.has("end").then(|| ("ends of all descents".into(), counted(run).unwrap_or_else(|why| why.to_string())))
}
