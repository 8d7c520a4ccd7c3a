//! Figures 3 and 4: what single networks decide, and the loss around them along the Hessian's eigenvectors.

use kuva::plot::contour::ContourPlot;
use kuva::plot::scatter::MarkerShape;
use kuva::render::render::{Primitive, TextAnchor};
use ndarray::{Array1, Array2};

use super::{name, numbered};
use crate::model::{Dataset, Loss, Problem, SampleTarget, Targets, largest};
use crate::reference::layers::outputs;
use crate::reference::{Spectrum, loss};
use crate::report::drawing::{
    Area, Axis, Canvas, Figure, FigureError, INK, Key, Panel, TEXT_SIZE, WIDTH, X_AXIS_ROOM, number, palette,
};

/// Points along each side of the grid on which a decision is sampled.
const GRID: usize = 121;
/// Points along each eigenvector, an odd number so that theta* itself is one.
const OFFSETS: usize = 81;

/// One critical point as Figures 3 and 4 show it.
#[derive(Debug, Clone)]
pub struct Landscape {
    /// What a caption calls the network, such as `seed 117`.
    pub label: String,
    /// Its bound of the largest eigenvalue.
    pub lambda_sup: f64,
    /// Eigenvalues that belong to the curves, largest first.
    pub eigenvalues: Vec<f64>,
    /// What it decides; only networks with two inputs have it.
    pub decision: Option<Decision>,
    /// Distances a from theta*.
    pub offsets: Vec<f64>,
    /// L(theta* + a u_k): one row for each eigenvector u_k, one column for each of `offsets`.
    pub losses: Array2<f64>,
}

/// What a network decides on a grid over the plane of the inputs.
#[derive(Debug, Clone)]
pub struct Decision {
    /// x_1 of each column.
    pub x1: Vec<f64>,
    /// x_2 of each row.
    pub x2: Vec<f64>,
    /// The class that is predicted.
    pub class: Array2<usize>,
    /// p = sigmoid(z), the probability of class 1, of a network with one output; else that of the class predicted.
    pub probability: Array2<f64>,
    /// How many classes there are.
    pub classes: usize,
}

impl Landscape {
    /// Evaluates the network `theta` (D,): its decision over the range of the training samples, and the loss at up to
    /// `reach` from theta along each of the eigenvectors of `spectrum`.
    pub fn around(
        problem: &Problem,
        label: String,
        theta: &[f64],
        lambda_sup: f64,
        spectrum: &Spectrum,
        reach: f64,
    ) -> Self {
        let middle = (OFFSETS / 2) as f64;
        let offsets: Vec<f64> = (0..OFFSETS).map(|k| reach * (k as f64 - middle) / middle).collect();
        let directions = &spectrum.eigenvectors;
        let losses = Array2::from_shape_fn((directions.nrows(), OFFSETS), |(k, column)| {
            let moved: Vec<f64> =
                theta.iter().zip(directions.row(k)).map(|(theta, u)| theta + offsets[column] * u).collect();
            loss(problem, &moved)
        });
        let decision = decision(problem, theta);
        let eigenvalues = spectrum.eigenvalues[..directions.nrows()].to_vec();
        Self { label, lambda_sup, eigenvalues, decision, offsets, losses }
    }
}

/// `None` unless there are two inputs, and one class of several is predicted.
fn decision(problem: &Problem, theta: &[f64]) -> Option<Decision> {
    let classes = match problem.data.targets() {
        Targets::Labels(t) if t.ncols() == 1 => 2,
        Targets::Classes { count, .. } => *count,
        Targets::Labels(_) | Targets::Values(_) => return None,
    };
    let x = problem.data.x();
    if x.ncols() != 2 {
        return None;
    }
    let side = |column: usize| {
        let axis = Axis::linear_around("", x.column(column).iter());
        let (low, high) = axis.range;
        (0..GRID).map(|k| low + (high - low) * k as f64 / (GRID - 1) as f64).collect::<Vec<f64>>()
    };
    let (x1, x2) = (side(0), side(1));
    let grid = Array2::from_shape_fn((GRID * GRID, 2), |(k, m)| if m == 0 { x1[k % GRID] } else { x2[k / GRID] });
    // The grid lies within the range of checked samples, so it is a data set; its labels are not used.
    let grid = Dataset::new(grid, Array1::zeros(GRID * GRID)).ok()?;
    let decided = |z: &Vec<f64>| match z[..] {
        [z] if problem.loss() == Loss::Logistic => {
            let p = 1.0 / (1.0 + (-z).exp());
            (usize::from(p > 0.5), p)
        }
        _ => {
            let class = largest(z);
            (class, 1.0 / z.iter().map(|other| (other - z[class]).exp()).sum::<f64>())
        }
    };
    let (class, probability): (Vec<usize>, Vec<f64>) =
        outputs(problem.network, &grid, theta).iter().map(decided).unzip();
    let probability = Array2::from_shape_vec((GRID, GRID), probability).ok()?;
    let class = Array2::from_shape_vec((GRID, GRID), class).ok()?;
    Some(Decision { x1, x2, class, probability, classes })
}

/// Figure 3: the sharpest networks (largest `lambda_sup` first).
///
/// # Errors
/// [`FigureError`] without any network.
pub fn sharpest_networks(networks: &[Landscape], samples: &Dataset) -> Result<Figure, FigureError> {
    landscapes(3, networks, samples)
}

/// Figure 4: the flattest networks (smallest `lambda_sup` first).
///
/// # Errors
/// [`FigureError`] without any network.
pub fn flattest_networks(networks: &[Landscape], samples: &Dataset) -> Result<Figure, FigureError> {
    landscapes(4, networks, samples)
}

fn landscapes(number_of_figure: u32, networks: &[Landscape], samples: &Dataset) -> Result<Figure, FigureError> {
    let networks = &networks[..networks.len().min(2)];
    if networks.is_empty() {
        return Err(FigureError::TooFew { figure: name(number_of_figure), what: "networks", needed: 1, found: 0 });
    }
    let losses = Axis::linear_around("L(θ* + a u_{k})", networks.iter().flat_map(|network| &network.losses));
    let curves = networks.iter().map(|network| network.losses.nrows()).max().unwrap_or(0);
    let with_decision = networks.iter().all(|network| network.decision.is_some());
    let plane = networks[0].decision.as_ref().map(|decision| {
        let ends = |x: &[f64]| (x[0], x[x.len() - 1]);
        (
            Axis::linear("x_{1}", ends(&decision.x1)).with_ticks(5),
            Axis::linear("x_{2}", ends(&decision.x2)).with_ticks(5),
        )
    });
    let left = plane.iter().map(|(_, x2)| x2.room()).fold(losses.room(), f64::max);
    let gap = 30.0;
    let width = (WIDTH - left - gap - 12.0) / 2.0;
    let mut top = 26.0;
    let decision_height = if with_decision { width + X_AXIS_ROOM + 10.0 } else { 0.0 };
    let mut canvas = Canvas::new(top + decision_height + 0.8 * width + X_AXIS_ROOM + 26.0);
    let lefts: Vec<f64> = (0..networks.len()).map(|k| left + k as f64 * (width + gap)).collect();
    for ((network, &left), part) in networks.iter().zip(&lefts).zip(["(a)", "(b)"]) {
        let text = format!("{part} λ_{{sup}} = {}", number(network.lambda_sup));
        canvas.text(left + width / 2.0, top - 9.0, &text, TEXT_SIZE, TextAnchor::Middle);
    }
    if let (true, Some((x1, x2))) = (with_decision, plane) {
        for (k, (network, &left)) in networks.iter().zip(&lefts).enumerate() {
            let Some(decision) = &network.decision else { continue };
            let x2 = x2.clone().bare_unless(k == 0);
            let panel = Panel::new(Area { left, top, width, height: width }, x1.clone(), x2);
            let panel = if k == 0 { panel.with_label_at_the_edge() } else { panel };
            canvas.place(decision_panel(panel, decision, samples));
        }
        top += decision_height;
    }
    for (k, (network, &left)) in networks.iter().zip(&lefts).enumerate() {
        let area = Area { left, top, width, height: 0.8 * width };
        let reach = network.offsets.last().copied().unwrap_or(1.0);
        let a = Axis::linear("distance a", (-reach, reach)).with_ticks(3);
        let y = losses.clone().bare_unless(k == 0);
        let panel = Panel::new(area, a, y);
        let mut panel = if k == 0 { panel.with_label_at_the_edge() } else { panel };
        for (u, row) in network.losses.rows().into_iter().enumerate() {
            let points: Vec<(f64, f64)> =
                network.offsets.iter().copied().zip(row.iter().copied()).filter(|p| p.1.is_finite()).collect();
            let (color, dash) = palette::series(u);
            panel.curve(&points, color, dash, 2.0);
        }
        canvas.place(panel);
    }
    let names: Vec<String> = (1..=curves).map(|k| format!("u_{{{k}}}")).collect();
    canvas.legend(left + width + gap / 2.0, top + 0.8 * width + X_AXIS_ROOM + 16.0, &Key::of_series(&names));

    let mut caption = String::new();
    if with_decision {
        let classes = networks[0].decision.as_ref().map_or(2, |decision| decision.classes);
        caption += match classes {
            2 if samples.q().is_some() => {
                "Top: regions in which class 0 (blue) and class 1 (orange) are predicted, the boundary p = 0.5, and \
                 the training samples (circles class 0, triangles class 1). Bottom: "
            }
            _ => {
                "Top: regions in which each class is predicted, from class 0 (blue) and 1 (orange) on, and the \
                 training samples in the colours of their classes. Bottom: "
            }
        };
    }
    caption += "Loss L(θ* + a u_{k}) along the eigenvectors of the largest eigenvalues of the Hessian at θ*.";
    if !with_decision {
        caption += &match samples.x().ncols() {
            2 => " Its outputs are no decision for one of several classes.".to_owned(),
            inputs => format!(" With {inputs} inputs there is no plane to show decisions in."),
        };
    }
    for (network, part) in networks.iter().zip(["(a)", "(b)"]) {
        let eigenvalues: Vec<String> = network.eigenvalues.iter().map(|&value| number(value)).collect();
        caption += &format!(
            " {part} {}, λ_{{sup}} = {}, eigenvalues {}.",
            network.label,
            number(network.lambda_sup),
            eigenvalues.join(", ")
        );
    }
    caption += " All axes are linear.";
    let mut drawn =
        numbered(number_of_figure, caption, canvas)?.with_array("samples_x", samples.x().to_owned().into_dyn());
    let classes: Option<Vec<f64>> = (0..samples.samples()).map(|i| class_of(samples, i).map(|q| q as f64)).collect();
    if let Some(q) = classes {
        drawn = drawn.with_column("samples_q", &q);
    }
    for (network, part) in networks.iter().zip(["a", "b"]) {
        drawn = drawn
            .with_column(&format!("offsets_{part}"), &network.offsets)
            .with_array(&format!("losses_{part}"), network.losses.clone().into_dyn());
        if let Some(decision) = &network.decision {
            drawn = drawn
                .with_column(&format!("x1_{part}"), &decision.x1)
                .with_column(&format!("x2_{part}"), &decision.x2)
                .with_array(&format!("probability_{part}"), decision.probability.clone().into_dyn());
        }
    }
    Ok(drawn)
}

fn decision_panel(mut panel: Panel, decision: &Decision, samples: &Dataset) -> Panel {
    let Decision { x1, x2, class, probability, classes } = decision;
    let (right, top) = (x1[x1.len() - 1], x2[x2.len() - 1]);
    panel.rectangle((x1[0], x2[0]), (right, top), palette::class(0).1, None);
    // The other classes row by row: each run of grid points is one rectangle.
    let half = (0.5 * (x1[1] - x1[0]), 0.5 * (x2[1] - x2[0]));
    let (mut x, mut y, mut w, mut h, mut fills) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (row, &at) in class.rows().into_iter().zip(x2) {
        let mut column = 0;
        while column < row.len() {
            let of = row[column];
            let length = row.iter().skip(column).take_while(|&&class| class == of).count();
            if of > 0 {
                let from = panel.at(x1[column] - half.0, at + half.1);
                let to = panel.at(x1[column + length - 1] + half.0, at - half.1);
                x.push(from.0);
                y.push(from.1);
                w.push(to.0 - from.0);
                // A little taller, so that no seam shows between the rows.
                h.push(to.1 - from.1 + 0.3);
                fills.push(palette::class(of).1.into());
            }
            column += length;
        }
    }
    panel.underlay(Primitive::RectBatch { x, y, w, h, fills });
    // Where the most likely of several classes changes, no probability is 1/2 as a rule.
    if *classes == 2 && samples.q().is_some() {
        let rows = probability.rows().into_iter().map(|row| row.to_vec()).collect();
        let boundary = ContourPlot::new().with_grid(rows, x1.clone(), x2.clone()).with_levels(&[0.5]);
        panel.plot(boundary.with_line_color(INK).with_line_width(1.6));
    }
    const SHAPES: [MarkerShape; 2] = [MarkerShape::Circle, MarkerShape::Triangle];
    for k in 0..*classes {
        let members = (0..samples.samples()).filter(|&i| class_of(samples, i) == Some(k));
        let points: Vec<(f64, f64)> = members.map(|i| (samples.x()[[i, 0]], samples.x()[[i, 1]])).collect();
        panel.markers(&points, palette::class(k).0, SHAPES[k % SHAPES.len()], 3.2, 0.9);
    }
    panel
}

/// The class of sample `i`, or its only label.
fn class_of(samples: &Dataset, i: usize) -> Option<usize> {
    match samples.targets().sample(i) {
        SampleTarget::Labels(&[q]) => Some(usize::from(q > 0.5)),
        SampleTarget::Class(class) => Some(class),
        SampleTarget::Labels(_) | SampleTarget::Values(_) => None,
    }
}
