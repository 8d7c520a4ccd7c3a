//! Figures and report: a figure draws what it was given and says what it leaves out, and the page opens in a browser.

mod support {
    pub(crate) mod browser;
}

use std::sync::LazyLock;

use ndarray::{Array2, ArrayD, array};
use sharpsweep::analysis::{mann_whitney, rank_correlation};
use sharpsweep::bounds::wolkowicz_styan;
use sharpsweep::engine::{Descent, Engine, Status};
use sharpsweep::model::{Activation, Problem, Stream, appendix_c};
use sharpsweep::reference::{self, Reference, spectrum};
use sharpsweep::replay::Trajectory;
use sharpsweep::report::{self, Distribution, Figure, FigureError, Gap, Landscape, Points, Report, Table, TableRow};
use support::browser::{PHONE, open_in_browser};

/// Some critical points of the paper's experiment at N = 3, with everything that the figures need.
struct Networks {
    problem: Problem,
    seed: Vec<u64>,
    theta: Vec<Vec<f64>>,
    trace: Vec<f64>,
    trace_sq: Vec<f64>,
    lambda_sup: Vec<f64>,
    lambda_max: Vec<f64>,
}

static NETWORKS: LazyLock<Networks> = LazyLock::new(|| {
    let problem = Problem::new(3, Activation::Sigmoid, appendix_c(50, 0, Stream::TrainData).unwrap());
    let trained = Reference::default().train(&problem, &Descent::default(), 0..40).unwrap();
    let mut networks = Networks {
        problem: problem.clone(),
        seed: vec![],
        theta: vec![],
        trace: vec![],
        trace_sq: vec![],
        lambda_sup: vec![],
        lambda_max: vec![],
    };
    for (seed, row) in (0..).zip(trained.theta.rows()).filter(|(k, _)| trained.status[*k as usize] == Status::Converged)
    {
        let theta: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let terms = reference::terms(&problem.paper().unwrap(), &theta);
        let trace = reference::trace_ww(&problem.paper().unwrap(), &theta, &terms) + reference::trace_vv(&terms);
        let trace_sq = reference::trace_sq(&problem.paper().unwrap(), &theta, &terms);
        networks.seed.push(seed);
        networks.trace.push(trace);
        networks.trace_sq.push(trace_sq);
        networks.lambda_sup.push(wolkowicz_styan(trace, trace_sq, theta.len()).lambda_sup);
        networks.lambda_max.push(spectrum(reference::hessian(&problem, &theta).view(), 0).unwrap().lambda_max());
        networks.theta.push(theta);
    }
    networks
});

fn landscape(k: usize) -> Landscape {
    let networks = &*NETWORKS;
    let theta = &networks.theta[k];
    let spectrum = spectrum(reference::hessian(&networks.problem, theta).view(), 4).unwrap();
    let label = format!("seed {}", networks.seed[k]);
    Landscape::around(&networks.problem, label, theta, networks.lambda_sup[k], &spectrum, 1.0)
}

fn trajectory() -> Trajectory {
    let steps: Vec<u32> = (0..200).collect();
    let falling = |scale: f64| steps.iter().map(|&t| scale / (1.0 + f64::from(t))).collect::<Vec<f64>>();
    Trajectory {
        seed: 7,
        step_size: 0.1,
        loss: falling(300.0),
        gradient_sq: falling(1e4),
        lambda_sup: falling(40.0),
        lambda_max: falling(30.0),
        lambda_min: falling(-1.0),
        steps,
        ..Trajectory::default()
    }
}

/// Every figure of the paper.
fn all_figures() -> Vec<Figure> {
    let networks = &*NETWORKS;
    let theta = &networks.theta[0];
    let analytic = reference::hessian(&networks.problem, theta);
    let numeric = reference::central_difference_hessian(&networks.problem, theta, 1e-4);
    let (sup, max) = (&networks.lambda_sup, &networks.lambda_max);
    let (trace, trace_sq) = (&networks.trace, &networks.trace_sq);
    let half = sup.len() / 2;
    let traces = |values| Points { label: "", x: values, y: values };
    let drawn = [
        report::bound_against_largest_eigenvalue(&[
            Points { label: "N = 3", x: &max[..half], y: &sup[..half] },
            Points { label: "N = 10", x: &max[half..], y: &sup[half..] },
        ]),
        report::sharpest_networks(&[landscape(0), landscape(1)], &networks.problem.data),
        report::flattest_networks(&[landscape(2), landscape(3)], &networks.problem.data),
        report::training_of_sharpest_and_flattest(&trajectory(), &trajectory()),
        report::bound_histogram(sup, 8.0),
        report::macro_f1_by_bound(
            Distribution { label: "low λ_{sup}", values: &[0.8, 0.9, 1.0] },
            Distribution { label: "high λ_{sup}", values: &[0.7, 0.9] },
            Some(mann_whitney(&[0.8, 0.9, 1.0], &[0.7, 0.9]).unwrap()),
        ),
        report::hessian_against_numeric(analytic.view(), numeric.view(), &[9]),
        report::traces_against_numeric(traces(trace), traces(trace_sq)),
        report::bound_against_weight_norms(trace, trace_sq, sup),
        report::bound_by_width(
            &[Distribution { label: "N = 3", values: sup }, Distribution { label: "N = 10", values: max }],
            None,
        ),
        report::bound_against_hidden_gram(trace_sq, sup),
        report::activation_functions(),
        report::sharpness_against_macro_f1("λ_{1}", max, sup, rank_correlation(max, sup).unwrap()),
    ];
    drawn.into_iter().map(Result::unwrap).collect()
}

/// The paper's numbers, and those that it lacks.
fn names_of_figures() -> Vec<String> {
    (2..=13).map(|k| format!("figure-{k:02}")).chain(["sharpness-against-f1".into()]).collect()
}

#[test]
fn every_figure_of_the_paper_is_drawn_and_saved_with_its_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let figures = all_figures();
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, names_of_figures());
    for figure in &figures {
        figure.save(directory.path()).unwrap();
        let svg = std::fs::read_to_string(directory.path().join(format!("{}.svg", figure.name))).unwrap();
        assert!(
            svg.starts_with("<svg") && svg.contains(r#"width="85mm""#) && svg.contains("viewBox"),
            "{}",
            figure.name
        );
        assert!(!svg.contains("_{") && !svg.contains("^{"), "{} shows raw marks", figure.name);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{} has coordinates that are no numbers", figure.name);
        let png = std::fs::read(directory.path().join(format!("{}.png", figure.name))).unwrap();
        assert_eq!(&png[1..4], b"PNG");
        assert!(!figure.data.is_empty() && figure.caption.len() > 60, "{}", figure.name);
        for (column, values) in &figure.data {
            let path = directory.path().join(&figure.name).join(format!("{column}.npy"));
            let saved: ArrayD<f64> = ndarray_npy::read_npy(&path).unwrap();
            assert_eq!(&saved, values, "{} {column}", figure.name);
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = report::activation_functions().unwrap().save(&file).unwrap_err();
    assert!(error.to_string().contains("a-file"), "{error}");
}

#[test]
fn figures_without_networks_say_what_they_need() {
    let none = Points { label: "N = 3", x: &[], y: &[] };
    let error = report::bound_against_largest_eigenvalue(&[none]).unwrap_err();
    assert_eq!(error.to_string(), "Figure 2 needs networks with finite values, at least 1, but there are none");
    assert!(matches!(report::bound_histogram(&[3.0], 3.0), Err(FigureError::TooFew { found: 1, .. })));
    let empty = Distribution { label: "N = 3", values: &[] };
    assert!(matches!(report::bound_by_width(&[empty], None), Err(FigureError::TooFew { .. })));
    assert!(report::sharpest_networks(&[], &NETWORKS.problem.data).is_err());
    assert!(report::training_of_seed(&Trajectory::default()).is_err());
}

#[test]
fn columns_that_differ_in_length_are_refused() {
    let uneven = Points { label: "N = 3", x: &[1.0, 2.0], y: &[1.0] };
    let error = report::bound_against_largest_eigenvalue(&[uneven]).unwrap_err().to_string();
    assert!(error.contains("2 abscissae but 1 ordinates"), "{error}");
    let short = Trajectory { loss: vec![1.0], ..trajectory() };
    let error = report::training_of_seed(&short).unwrap_err().to_string();
    assert!(error.contains("seed 7 has 200 steps but 1 values of loss"), "{error}");
    let (square, oblong) = (Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 2)));
    assert!(report::hessian_against_numeric(square.view(), oblong.view(), &[2]).is_err());
}

#[test]
fn values_that_are_not_finite_are_left_out_and_counted() {
    let points = Points { label: "N = 3", x: &[1.0, f64::NAN, 3.0], y: &[1.5, 2.0, f64::INFINITY] };
    let figure = report::bound_against_largest_eigenvalue(&[points]).unwrap();
    assert!(figure.caption.contains("2 networks with values that are not finite are left out"), "{}", figure.caption);
    assert!(figure.caption.contains("N = 3: 1 networks"), "{}", figure.caption);
}

#[test]
fn a_bound_below_the_eigenvalue_is_not_glossed_over() {
    let promise = "The bound is never below";
    let holds = Points { label: "N = 3", x: &[1.0, 2.0], y: &[1.5, 2.0] };
    assert!(report::bound_against_largest_eigenvalue(&[holds]).unwrap().caption.contains(promise));
    let broken = Points { label: "N = 3", x: &[1.0, 2.0], y: &[1.5, 1.9] };
    let caption = report::bound_against_largest_eigenvalue(&[broken]).unwrap().caption;
    assert!(!caption.contains(promise) && caption.contains("1 points lie below"), "{caption}");
}

#[test]
fn a_hundred_thousand_points_stay_a_small_drawing_with_all_data() {
    let spread = |k: usize, by: f64| (k as f64 * by).fract();
    let x: Vec<f64> = (0..100_000).map(|k| 1.0 + 100.0 * spread(k, 0.618_033_988_749_895)).collect();
    let y: Vec<f64> = x.iter().enumerate().map(|(k, x)| x * (1.0 + 0.2 * spread(k, 0.414_213_562_373))).collect();
    let figure = report::bound_against_largest_eigenvalue(&[Points { label: "N = 3", x: &x, y: &y }]).unwrap();
    assert!(figure.svg.len() < 1_500_000, "{} bytes", figure.svg.len());
    assert!(figure.caption.contains("Of 100000 points"), "{}", figure.caption);
    assert_eq!(figure.data[0].1.len(), 100_000);
    // A second drawing is the same.
    let again = report::bound_against_largest_eigenvalue(&[Points { label: "N = 3", x: &x, y: &y }]).unwrap();
    assert_eq!(figure.svg, again.svg);
}

/// Fill colours of the cells of the first matrix of Figure 8, row by row; text colour and background come first.
fn cells(figure: &Figure, count: usize) -> Vec<&str> {
    figure.svg.split(r#"fill=""#).skip(3).take(count).map(|rest| &rest[..rest.find('"').unwrap()]).collect()
}

#[test]
fn the_hessian_map_is_white_at_zero_and_both_matrices_share_one_scale() {
    let analytic = array![[0.0, 2.0], [2.0, -1.0]];
    let figure = report::hessian_against_numeric(analytic.view(), analytic.view(), &[1]).unwrap();
    // 0 is white, the largest magnitude the end of the map; half of it lies ln(501) / ln(1001) = 0.9 up the logarithmic
    // scale.
    assert_eq!(cells(&figure, 4), ["#ffffff", "#d55e00", "#d55e00", "#1a80ba"]);
    // Control: a larger numeric Hessian stretches the scale of the analytic one as well.
    let numeric = array![[0.0, 2.0], [2.0, -4.0]];
    let figure = report::hessian_against_numeric(analytic.view(), numeric.view(), &[1]).unwrap();
    assert_eq!(cells(&figure, 4), ["#ffffff", "#d96e1a", "#d96e1a", "#338ec1"]);
}

#[test]
fn wide_hessians_are_pooled_without_losing_the_largest_entry() {
    let mut analytic = Array2::<f64>::zeros((300, 300));
    analytic[[299, 299]] = -5.0;
    let figure = report::hessian_against_numeric(analytic.view(), analytic.view(), &[200]).unwrap();
    assert!(figure.caption.contains("100 cells a side"), "{}", figure.caption);
    assert_eq!(cells(&figure, 100 * 100).last(), Some(&"#0072b2"));
    assert_eq!(figure.data[0].1.len(), 300 * 300);
}

#[test]
fn boxes_follow_the_papers_convention() {
    // 0, 1 .. 100: quartiles 25 and 75, whiskers 10 and 90, median 50.
    let values: Vec<f64> = (0..=100).map(f64::from).collect();
    let figure = report::bound_by_width(&[Distribution { label: "N = 3", values: &values }], None).unwrap();
    // The axis runs over 104 to -4 in 240 pixels below 14.
    let y = |value: f64| 14.0 + 240.0 * (104.0 - value) / 108.0;
    // kuva rounds to hundredths, drops .00, and otherwise prints what f64 gives, such as 222.89000000000001.
    let has = |attribute: &str, value: f64| {
        let value = format!("{value:.2}");
        figure.svg.contains(&format!(r#"{attribute}="{}"#, value.trim_end_matches(".00")))
    };
    for (name, value) in [("lower whisker", 10.0), ("upper whisker", 90.0), ("median", 50.0)] {
        assert!(has("y1", y(value)) && has("y2", y(value)), "no {name} at {}", y(value));
    }
    assert!(has("y", y(75.0)) && has("height", y(25.0) - y(75.0)), "no box from 25 to 75");
    assert!(!has("y2", y(5.0)), "a whisker that is not the paper's");
    assert_eq!(figure.svg.matches("<circle").count(), 20, "ten values lie outside each whisker");
}

#[test]
fn the_landscape_is_lowest_where_the_network_is_and_curves_as_its_eigenvalue_says() {
    let landscape = landscape(0);
    let (rows, columns) = landscape.losses.dim();
    let middle = columns / 2;
    assert_eq!((rows, landscape.offsets[middle]), (4, 0.0));
    let step = landscape.offsets[middle + 1];
    let row = landscape.losses.row(0);
    let curvature = (row[middle + 1] - 2.0 * row[middle] + row[middle - 1]) / (step * step);
    let eigenvalue = landscape.eigenvalues[0];
    // Truncation: step^2/12 times a fourth derivative of the order of the eigenvalue.
    assert!((curvature - eigenvalue).abs() <= 0.05 * eigenvalue, "{curvature} {eigenvalue}");
    let decision = landscape.decision.unwrap();
    assert!(decision.probability.iter().all(|p| (0.0..=1.0).contains(p)));
    // The rows of the grid are x_2: the probability at a grid point is the network's there.
    let (row, column) = (30, 90);
    let at = sharpsweep::model::Dataset::new(array![[decision.x1[column], decision.x2[row]]], array![0.0]).unwrap();
    let z = reference::output(NETWORKS.problem.paper().unwrap().network, &at, &NETWORKS.theta[0])[0];
    assert!((decision.probability[[row, column]] - 1.0 / (1.0 + (-z).exp())).abs() <= 1e-12);
}

fn full_report() -> Report {
    Report {
        title: "Sharpness of 40 networks".into(),
        summary: "Trained from <40> seeds & evaluated; λ_{sup} in closed form.".into(),
        notices: vec!["Go on with `sharpsweep resume`.".into()],
        tables: vec![Table {
            title: "Published against here".into(),
            note: "Agreement is in distribution.".into(),
            header: ["what", "published", "here", "agrees within"].map(String::from).to_vec(),
            rows: vec![
                TableRow {
                    cells: ["converged (N = 3)", "460 of 500", "470 of 500", "spread"].map(String::from).to_vec(),
                    holds: Some(true),
                },
                TableRow {
                    cells: [
                        "‖ΔH‖_{F}",
                        "5.44×10^{−5}",
                        "AVeryLongWordWithoutAnyPlaceToBreakItThatIsWiderThanAPhone",
                        "no",
                    ]
                    .map(String::from)
                    .to_vec(),
                    holds: Some(false),
                },
            ],
        }],
        figures: all_figures(),
        gaps: vec![Gap {
            name: "figure-11".into(),
            title: "Figure 11 · The bound by the width".into(),
            why: "it compares two widths, see `sharpsweep reproduce`".into(),
        }],
        listings: vec![("manifest.json".into(), format!("{{ \"command\": \"{}\" }}", "sharpsweep ".repeat(40)))],
    }
}

#[test]
fn the_report_escapes_text_and_loads_nothing() {
    let html = full_report().to_html().unwrap();
    assert!(html.contains("&lt;40&gt; seeds &amp; evaluated; λ<sub>sup</sub>"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
    assert_eq!(html.matches("<img ").count(), 13);
}

#[test]
fn the_list_of_figures_has_titles_and_says_why_one_is_missing() {
    let html = full_report().to_html().unwrap();
    let list = html.split("<nav").nth(1).unwrap().split("</nav>").next().unwrap();
    let at = |text: &str| list.find(text).unwrap_or_else(|| panic!("no {text} in {list}"));
    assert!(
        at(r##"<a href="#figure-10">Figure 10 · The bound against the norms of the weights</a>"##) < at("figure-11")
    );
    assert!(at("not drawn, it compares two widths, see <code>sharpsweep reproduce</code>") < at("#figure-12"));
    assert!(at("#figure-13") < at("#sharpness-against-f1") && list.contains("Figure 1 is not drawn here"));
    assert!(html.contains("<code>sharpsweep resume</code>") && !html.split("<body").nth(1).unwrap().contains('`'));
    assert_eq!(
        full_report().plain_notices()[0],
        "Figure 11 is not drawn: it compares two widths, see `sharpsweep reproduce`."
    );
}

#[test]
fn the_report_opens_in_a_browser_with_every_figure_and_nothing_is_cut() {
    for width in [PHONE, 1280] {
        let Some(seen) = open_in_browser(&full_report().to_html().unwrap(), width) else { return };
        assert_eq!(seen.console, Vec::<String>::new());
        assert_eq!(seen.cut, Vec::<String>::new(), "at {width} pixels");
        assert!(seen.scroll_width <= f64::from(width), "the page is {} pixels wide in {width}", seen.scroll_width);
        let names: Vec<String> = seen.images.iter().map(|(name, ..)| name.clone()).collect();
        assert_eq!(names, names_of_figures());
        for (name, natural, shown) in &seen.images {
            assert!(*natural > 0.0 && *shown > 300.0, "{name} is {natural} wide by nature and {shown} on the page");
        }
    }
}

/// The negative control of the check above: it finds each fault in a page that has it.
#[test]
fn the_browser_check_sees_a_broken_figure_a_wide_page_what_is_cut_and_a_console_error() {
    let faulty = r#"<figure id="broken"><img src="data:image/svg+xml;base64,AAAA"></figure>
        <div style="width:600px">wide</div>
        <div style="overflow-x:auto"><p style="width:900px">hidden without a cue</p></div>
        <script>console.error("an error")</script>"#;
    let Some(seen) = open_in_browser(faulty, PHONE) else { return };
    assert!(seen.scroll_width > 390.0);
    assert!(seen.cut.iter().any(|cut| cut.starts_with("leaves the page: div wide")), "{:?}", seen.cut);
    assert!(seen.cut.iter().any(|cut| cut.starts_with("overflows: div hidden")), "{:?}", seen.cut);
    assert!(seen.images.iter().any(|(name, natural, _)| name == "broken" && *natural <= 0.0));
    assert!(seen.console.iter().any(|line| line.contains("an error")), "{:?}", seen.console);
}

#[test]
fn few_values_of_macro_f1_are_counted_and_many_are_boxed() {
    let group = |label, values| Distribution { label, values };
    let few = report::macro_f1_by_bound(group("low", &[0.9, 0.9, 0.8, 0.9]), group("high", &[0.8, 0.7]), None).unwrap();
    assert!(few.caption.contains("takes 3 values") && few.caption.contains("low: 4 networks"), "{}", few.caption);
    // The longest bar is three of the four of low, at 0.9.
    assert!(few.svg.contains(">3</text>") && few.svg.contains(">0.900</text>"));
    let many: Vec<f64> = (0..30).map(|k| 0.5 + f64::from(k) / 100.0).collect();
    let boxed = report::macro_f1_by_bound(group("low", &many), group("high", &[0.8, 0.7]), None).unwrap();
    assert!(boxed.caption.contains("Boxes span the quartiles"), "{}", boxed.caption);
}

#[test]
fn a_few_far_values_do_not_empty_the_axis_of_the_histogram() {
    let mut values: Vec<f64> =
        (0..300).map(|k| 100.0 + 10.0 * (f64::from(k) * 0.618_033_988_749_895).fract()).collect();
    values.extend([0.8, 0.85, 400.0]);
    let figure = report::bound_histogram(&values, 109.0).unwrap();
    assert!(figure.caption.contains("2 networks lie below 100, at 0.800 at the farthest"), "{}", figure.caption);
    assert!(figure.caption.contains("one network lies above 110, at 400 at the farthest"), "{}", figure.caption);
    assert!(figure.svg.contains("← 2<") && figure.svg.contains("1 →<") && figure.data[0].1.len() == 303);
    // A long tail gets a logarithmic axis instead of being cut off.
    let tail: Vec<f64> = (0..300).map(|k| 10_f64.powf(f64::from(k) / 75.0)).collect();
    let figure = report::bound_histogram(&tail, 5000.0).unwrap();
    assert!(
        figure.caption.contains("The x axis is logarithmic") && !figure.caption.contains("Beyond"),
        "{}",
        figure.caption
    );
}

#[test]
fn trajectories_show_where_gradient_descent_is_no_longer_stable() {
    let figure = report::training_of_seed(&trajectory()).unwrap();
    assert!(figure.svg.contains("2/η = 20.0") && figure.svg.contains("step t"));
    let even = |figure: &Figure| figure.svg.matches("stroke-dasharray=\"2 2.5\"").count();
    // Once in its panel and once in the legend.
    assert_eq!(even(&figure), 2);
    let both = report::training_of_sharpest_and_flattest(&trajectory(), &trajectory()).unwrap();
    assert_eq!(even(&both), 3);
}

#[test]
fn every_caption_says_the_scales() {
    for figure in all_figures().iter().filter(|figure| figure.name != "figure-08") {
        let says = ["linear", "logarithmic"].iter().any(|scale| figure.caption.contains(scale));
        assert!(says, "{}: {}", figure.name, figure.caption);
    }
}
