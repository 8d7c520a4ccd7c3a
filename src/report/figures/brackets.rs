//! Figures of what a run with `--brackets` or `--spectrum=all` knows of the spectra beyond the paper.

use kuva::plot::scatter::MarkerShape;

use crate::analysis::median;
use crate::report::drawing::{
    Area, Axis, BLUE, Canvas, Figure, FigureError, GREY, Key, Panel, VERMILLION, WIDTH, X_AXIS_ROOM, number, thin,
    thinning_note,
};

/// File stem and title of the figure of brackets.
pub(super) const BRACKETS: (&str, &str) = ("brackets", "The bracket around the largest eigenvalue");

/// File stem and title of the figure of all eigenvalues.
pub(super) const SPECTRAL_DENSITY: (&str, &str) = ("spectral-density", "Density of the spectra");

/// How far bounds of lambda_1 are from it, relative to it (y), against lambda_1 (x): `bracket_lower`, `bracket_upper`
/// and `lambda_sup`. All slices have one value per network.
///
/// # Errors
/// [`FigureError`] if no network has a positive lambda_1 and a bracket.
pub fn bracket_against_largest_eigenvalue(
    lambda_max: &[f64],
    [lower, upper, lambda_sup]: [&[f64]; 3],
) -> Result<Figure, FigureError> {
    /// The axis ends here, as any of kuva's.
    const LEAST: f64 = 1e-10;
    let (name, title) = BRACKETS;
    let series = [
        (lambda_sup, "λ_{sup}", GREY, MarkerShape::Square),
        (upper, "upper end", VERMILLION, MarkerShape::Triangle),
        (lower, "lower end", BLUE, MarkerShape::Circle),
    ];
    let distances = |of: &[f64]| -> Vec<(f64, f64)> {
        let points = lambda_max.iter().zip(of).filter(|(lambda, bound)| **lambda > 0.0 && bound.is_finite());
        points.map(|(&lambda, &bound)| (lambda, ((bound - lambda).abs() / lambda).max(LEAST))).collect()
    };
    let points = series.map(|(of, ..)| distances(of));
    let found = points[1].len();
    if found == 0 || points[2].is_empty() {
        return Err(FigureError::TooFew { figure: title, what: "networks with a bracket", needed: 1, found });
    }
    let x = Axis::log_around("largest eigenvalue λ_{1} (numeric)", points.iter().flatten().map(|(x, _)| x));
    let y = Axis::log_around("|bound − λ_{1}| / λ_{1}", points.iter().flatten().map(|(_, y)| y));
    let left = y.room();
    let area = Area { left, top: 30.0, width: WIDTH - left - 14.0, height: 250.0 };
    let mut panel = Panel::new(area, x, y);
    let mut drawn = 0;
    for ((_, _, color, shape), points) in series.iter().zip(&points) {
        let thinned = thin(&panel, points);
        panel.markers(&thinned, color, *shape, 2.4, 0.5);
        drawn += thinned.len();
    }
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    canvas.place(panel);
    let keys = series.map(|(_, label, color, shape)| (Key::Marker { color, shape }, label));
    canvas.legend(left + area.width / 2.0, 18.0, &keys);
    let widths: Vec<f64> =
        upper.iter().zip(lower).map(|(upper, lower)| (upper - lower) / upper.abs()).filter(|w| w.is_finite()).collect();
    let (middle, widest) =
        (median(&widths).unwrap_or(f64::NAN), widths.iter().copied().fold(0.0_f64, |widest, width| widest.max(width)));
    let of = points.iter().map(Vec::len).sum();
    let caption = format!(
        "How far the ends of the bracket, and the bound λ_{{sup}} of Theorem 1, are from the largest eigenvalue of {} \
         networks. The bracket holds it whatever rounding did; its width is {} of its upper end in the median, {} at \
         most. Distances below 10^{{−10}} are drawn on the lower edge. Both axes are logarithmic.{}",
        found,
        number(middle),
        number(widest),
        thinning_note(drawn, of)
    );
    Ok(Figure::new(name, title, caption, canvas)?
        .with_column("lambda_max", lambda_max)
        .with_column("bracket_lower", lower)
        .with_column("bracket_upper", upper)
        .with_column("lambda_sup", lambda_sup))
}

/// How the eigenvalues of all networks together are distributed: for each of `networks`, how many are in a decade of
/// |lambda| (y), against |lambda| (x), for positive and for negative ones.
///
/// # Errors
/// [`FigureError`] if no eigenvalue is finite and other than 0.
pub fn spectral_density(eigenvalues: &[f64], networks: usize) -> Result<Figure, FigureError> {
    /// Below this part of the largest |lambda|, eigenvalues in f64 are rounding.
    const LEAST: f64 = 1e-14;
    /// Bins of a decade.
    const BINS: f64 = 5.0;
    let (name, title) = SPECTRAL_DENSITY;
    let largest = eigenvalues.iter().filter(|value| value.is_finite()).fold(0.0_f64, |most, v| most.max(v.abs()));
    if largest <= 0.0 {
        return Err(FigureError::TooFew { figure: title, what: "eigenvalues other than 0", needed: 1, found: 0 });
    }
    let (last, first) = (largest.log10(), (largest * LEAST).log10());
    let bins = ((last - first) * BINS).ceil() as usize;
    let bin = |value: f64| (((value.abs().log10() - first) * BINS).floor() as usize).min(bins - 1);
    let mut counts = [vec![0_usize; bins], vec![0_usize; bins]];
    let (mut tiny, mut all) = (0_usize, 0_usize);
    for &value in eigenvalues.iter().filter(|value| value.is_finite()) {
        all += 1;
        if value.abs() < largest * LEAST {
            tiny += 1;
        } else {
            counts[usize::from(value < 0.0)][bin(value)] += 1;
        }
    }
    let per_decade = |count: usize| count as f64 * BINS / networks.max(1) as f64;
    let middle = |k: usize| 10_f64.powf(first + (k as f64 + 0.5) / BINS);
    let curves = counts.map(|counts| {
        let filled = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        filled.map(|(k, &count)| (middle(k), per_decade(count))).collect::<Vec<(f64, f64)>>()
    });
    let x = Axis::log_around("|λ|", curves.iter().flatten().map(|(x, _)| x));
    let y = Axis::log_around("eigenvalues per network and decade", curves.iter().flatten().map(|(_, y)| y));
    let left = y.room();
    let area = Area { left, top: 30.0, width: WIDTH - left - 14.0, height: 230.0 };
    let mut panel = Panel::new(area, x, y);
    let styles =
        [(BLUE, None, MarkerShape::Circle, "λ > 0"), (VERMILLION, Some("7 3"), MarkerShape::Triangle, "λ < 0")];
    for ((color, dash, shape, _), points) in styles.iter().zip(&curves) {
        panel.curve(points, color, *dash, 1.8);
        panel.markers(points, color, *shape, 2.4, 1.0);
    }
    let mut canvas = Canvas::new(area.bottom() + X_AXIS_ROOM);
    canvas.place(panel);
    let keys = styles.map(|(color, dash, _, label)| (Key::Line { color, dash }, label));
    canvas.legend(left + area.width / 2.0, 18.0, &keys);
    let caption = format!(
        "All {all} eigenvalues of the Hessians of {networks} networks, in bins of a fifth of a decade of their \
         magnitude. {tiny} of them are below {LEAST:e} of the largest and left out: in float64 these are as good as 0. \
         Both axes are logarithmic."
    );
    let columns = curves.map(|points| points.into_iter().unzip::<f64, f64, Vec<f64>, Vec<f64>>());
    let [(positive, positive_density), (negative, negative_density)] = columns;
    Ok(Figure::new(name, title, caption, canvas)?
        .with_column("positive", &positive)
        .with_column("positive_density", &positive_density)
        .with_column("negative", &negative)
        .with_column("negative_density", &negative_density))
}
