//! Built-in data are what their documentation says: by their statistics, by the same bits everywhere, and through the
//! command line.

mod support;

use std::f64::consts::{PI, TAU};
use std::fs;

use ndarray::{Array1, Array2, Axis};
use sharpsweep::engine::Descent;
use sharpsweep::model::{Activation, BuiltIn, DataError, Dataset, Draw, Stream, Targets, Teacher, appendix_c};
use sharpsweep::reference::layers::outputs;
use sharpsweep::spec::{
    BuiltInName, BuiltInOptions, DataSource, Experiment, SpecError, Work, appendix_c_data, drawn_data,
};
use support::command::{assert_same_columns, fail, manifest, succeed};
use support::cut::cut;

/// The samples that statistics are of.
const MANY: usize = 20_000;

fn teacher(hidden: &[usize], activation: Activation, inputs: usize, classes: usize) -> BuiltIn {
    BuiltIn::Teacher(Teacher { inputs, hidden: hidden.to_vec(), activation, classes })
}

/// Each kind of data, with two classes and with more where it has them.
fn every() -> Vec<BuiltIn> {
    vec![
        BuiltIn::AppendixC,
        BuiltIn::Moons { noise: 0.1 },
        BuiltIn::Circles { classes: 2, noise: 0.1 },
        BuiltIn::Circles { classes: 3, noise: 0.1 },
        BuiltIn::Spirals { classes: 2, noise: 0.1 },
        BuiltIn::Spirals { classes: 4, noise: 0.1 },
        BuiltIn::Mixture { classes: 2, inputs: 2, noise: 0.5 },
        BuiltIn::Mixture { classes: 5, inputs: 7, noise: 0.5 },
        BuiltIn::Parity { inputs: 2, noise: 0.1 },
        BuiltIn::Parity { inputs: 5, noise: 0.1 },
        teacher(&[3], Activation::Tanh, 2, 2),
        teacher(&[8, 8], Activation::Gelu, 5, 3),
        BuiltIn::RandomLabels { classes: 2, inputs: 2 },
        BuiltIn::RandomLabels { classes: 3, inputs: 4 },
    ]
}

fn train(built_in: &BuiltIn, data_seed: u64, samples: usize) -> Dataset {
    Draw::new(built_in.clone(), data_seed).train(samples).unwrap()
}

/// The class of each sample.
fn classes(data: &Dataset) -> Vec<usize> {
    match data.targets() {
        Targets::Classes { of, .. } => of.clone(),
        _ => data.q().unwrap().iter().map(|&q| usize::from(q > 0.5)).collect(),
    }
}

/// The samples of class `class`, (., M).
fn of_class(data: &Dataset, class: usize) -> Array2<f64> {
    let rows: Vec<usize> = classes(data).iter().enumerate().filter(|(_, c)| **c == class).map(|(i, _)| i).collect();
    data.x().select(Axis(0), &rows)
}

/// Fails unless `values` could be uniform on (0, 1): by the largest distance of their distribution function from the
/// diagonal (Kolmogorov-Smirnov), which is above 2 / sqrt(n) once in 1500 draws.
fn assert_uniform(mut values: Vec<f64>, what: &str) {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let off = |(i, value): (usize, &f64)| (value - i as f64 / n).abs().max((value - (i + 1) as f64 / n).abs());
    let most = values.iter().enumerate().map(off).fold(0.0, f64::max);
    assert!(most < 2.0 / n.sqrt(), "{what}: {most}");
}

/// Fails unless `count` of `all` could have the probability `p`: within five standard deviations.
fn assert_share(count: usize, all: usize, p: f64, what: &str) {
    let (expected, deviation) = (p * all as f64, (p * (1.0 - p) * all as f64).sqrt());
    assert!((count as f64 - expected).abs() <= 5.0 * deviation, "{what}: {count} of {all}, p = {p}");
}

/// Fails unless the rows of `x` could be normal with this mean and the covariance `variance` times the unit matrix:
/// each moment within five standard deviations.
fn assert_normal(x: &Array2<f64>, mean: &[f64], variance: f64, what: &str) {
    let n = x.nrows() as f64;
    let centred = x - &Array1::from(mean.to_vec());
    let means = centred.mean_axis(Axis(0)).unwrap();
    assert!(means.iter().all(|mean| mean.abs() < 5.0 * (variance / n).sqrt()), "{what}: {means}");
    let covariance = centred.t().dot(&centred) / n;
    for ((a, b), &found) in covariance.indexed_iter() {
        // The variance of a product of two independent normal values is s^4, of a square 2 s^4.
        let (expected, scale) = if a == b { (variance, 2.0_f64.sqrt()) } else { (0.0, 1.0) };
        assert!((found - expected).abs() < 5.0 * scale * variance / n.sqrt(), "{what} [{a}, {b}]: {found}");
    }
}

/// What noise adds to samples: those with `noise` less those without, over the noise.
fn noise_alone(with: &BuiltIn, without: &BuiltIn, noise: f64) -> Array2<f64> {
    (&train(with, 3, MANY).x() - &train(without, 3, MANY).x()) / noise
}

#[test]
fn moons_are_half_circles_with_noise() {
    let bare = BuiltIn::Moons { noise: 0.0 };
    let data = train(&bare, 3, MANY);
    for (class, centre, side) in [(0, [0.0, 0.0], 1.0), (1, [1.0, 0.5], -1.0)] {
        let x = of_class(&data, class);
        assert_eq!(x.nrows(), MANY / 2);
        let turned = |x: &ndarray::ArrayView1<'_, f64>| [side * (x[0] - centre[0]), side * (x[1] - centre[1])];
        let places = x.rows().into_iter().map(|x| {
            let [a, b] = turned(&x);
            assert!((a.hypot(b) - 1.0).abs() < 1e-6 && b > -1e-6, "{class} {x}");
            // Rounding can take an end of the half circle to the other side of the axis.
            b.atan2(a).abs() / PI
        });
        assert_uniform(places.collect(), "moons");
    }
    assert_normal(&noise_alone(&BuiltIn::Moons { noise: 0.2 }, &bare, 0.2), &[0.0; 2], 1.0, "moons");
}

#[test]
fn circles_have_their_radii_and_no_direction() {
    for classes in [2, 3] {
        let bare = BuiltIn::Circles { classes, noise: 0.0 };
        let data = train(&bare, 3, MANY);
        for class in 0..classes {
            let x = of_class(&data, class);
            let places = x.rows().into_iter().map(|x| {
                assert!((x[0].hypot(x[1]) - (class + 1) as f64 / classes as f64).abs() < 1e-6, "{class}: {x}");
                x[1].atan2(x[0]).rem_euclid(TAU) / TAU
            });
            assert_uniform(places.collect::<Vec<f64>>(), "circles");
        }
        assert_normal(&noise_alone(&BuiltIn::Circles { classes, noise: 0.2 }, &bare, 0.2), &[0.0; 2], 1.0, "circles");
    }
}

#[test]
fn arms_of_a_spiral_turn_once_as_they_go_outwards() {
    for classes in [2, 4] {
        let bare = BuiltIn::Spirals { classes, noise: 0.0 };
        let data = train(&bare, 3, MANY);
        for class in 0..classes {
            let x = of_class(&data, class);
            let places = x.rows().into_iter().map(|x| {
                let radius = x[0].hypot(x[1]);
                let off = x[1].atan2(x[0]) - TAU * (radius + class as f64 / classes as f64);
                // Rounding to f32 turns a point near the centre more.
                assert!((off / TAU - (off / TAU).round()).abs() < 1e-6 / radius.min(1.0) + 1e-6, "{class}: {x}");
                radius
            });
            assert_uniform(places.collect::<Vec<f64>>(), "spirals");
        }
        assert_normal(&noise_alone(&BuiltIn::Spirals { classes, noise: 0.2 }, &bare, 0.2), &[0.0; 2], 1.0, "spirals");
    }
}

#[test]
fn mixtures_are_gaussians_around_normal_centres() {
    let mixture = |noise| BuiltIn::Mixture { classes: 5, inputs: 3, noise };
    let (centres, data) = (train(&mixture(0.0), 3, 5), train(&mixture(0.5), 3, MANY));
    assert_eq!(classes(&centres), [0, 1, 2, 3, 4]);
    for class in 0..5 {
        let centre = centres.x().row(class).to_vec();
        assert_normal(&of_class(&data, class), &centre, 0.25, "mixture");
    }
    // The test data have the same centres, and other noise.
    let test = Draw::new(mixture(0.0), 3).test(5).unwrap();
    assert_eq!(test, centres);
    assert_ne!(Draw::new(mixture(0.5), 3).test(5).unwrap(), train(&mixture(0.5), 3, 5));
    let many = train(&BuiltIn::Mixture { classes: 10_000, inputs: 3, noise: 0.0 }, 3, 10_000);
    assert_normal(&many.x().to_owned(), &[0.0; 3], 1.0, "centres");
}

#[test]
fn parity_is_of_the_positive_coordinates_and_corners_are_alike() {
    for inputs in [1, 2, 3, 6] {
        let bare = BuiltIn::Parity { inputs, noise: 0.0 };
        let data = train(&bare, 3, MANY);
        let mut counts = vec![0_usize; 1 << inputs];
        for (x, class) in data.x().rows().into_iter().zip(classes(&data)) {
            assert!(x.iter().all(|x| x.abs().to_bits() == 1.0_f64.to_bits()), "{x}");
            assert_eq!(x.iter().filter(|&&x| x > 0.0).count() % 2, class, "{x}");
            counts[x.iter().fold(0, |corner, &x| 2 * corner + usize::from(x > 0.0))] += 1;
        }
        // Half of the samples are of each class, and a corner is one of 2^(M-1) of its class.
        for (corner, &count) in counts.iter().enumerate() {
            assert_share(count, MANY / 2, 0.5_f64.powi(inputs as i32 - 1), &format!("corner {corner} of M = {inputs}"));
        }
        let noisy = BuiltIn::Parity { inputs, noise: 0.2 };
        assert_normal(&noise_alone(&noisy, &bare, 0.2), &vec![0.0; inputs], 1.0, "parity");
    }
}

/// The labels are those of the network that the teacher says it is, run by the reference.
#[test]
fn a_teachers_classes_are_its_answers() {
    for (hidden, activation, inputs, classes_of) in [
        (&[3][..], Activation::Tanh, 2, 2),
        (&[], Activation::Tanh, 4, 2),
        (&[8, 8], Activation::Gelu, 5, 3),
        (&[4, 3, 2], Activation::Sigmoid, 3, 2),
        (&[], Activation::Tanh, 2, 6),
    ] {
        let built_in = teacher(hidden, activation, inputs, classes_of);
        let BuiltIn::Teacher(of) = &built_in else { panic!() };
        let (network, theta) = (of.network().unwrap(), of.theta(3).unwrap());
        let draw = Draw::new(built_in.clone(), 3);
        for data in [draw.train(500).unwrap(), draw.test(500).unwrap()] {
            let expected = outputs(network, &data, &theta).into_iter().map(|z| match z[..] {
                [z] => usize::from(z > 0.0),
                _ => (0..z.len()).rev().max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap(),
            });
            assert_eq!(classes(&data), expected.collect::<Vec<usize>>(), "{hidden:?}");
        }
        assert_ne!(theta, of.theta(4).unwrap());
        assert!(theta.iter().all(|&weight| f64::from(weight as f32).to_bits() == weight.to_bits()));
    }
}

#[test]
fn a_teachers_weights_have_the_stated_variance_and_its_classes_are_balanced() {
    let built_in = teacher(&[100, 100], Activation::Tanh, 50, 2);
    let BuiltIn::Teacher(of) = &built_in else { panic!() };
    let (network, theta) = (of.network().unwrap(), of.theta(0).unwrap());
    for layer in network.shape.layers() {
        assert!((0..layer.units).all(|a| theta[layer.at(a, 0)].to_bits() == 0), "biases");
        let weights = theta[layer.at(0, 1)..layer.start + layer.parameters()].to_vec();
        let column = Array2::from_shape_vec((weights.len(), 1), weights).unwrap();
        assert_normal(&column, &[0.0], 1.0 / layer.inputs as f64, "weights");
    }
    let data = train(&teacher(&[3], Activation::Tanh, 2, 2), 3, MANY);
    assert_share(classes(&data).iter().sum(), MANY, 0.5, "class 1");
    assert_normal(&data.x().to_owned(), &[0.0; 2], 1.0, "samples");
}

#[test]
fn random_labels_are_uniform_and_know_nothing_of_the_samples() {
    let data = train(&BuiltIn::RandomLabels { classes: 3, inputs: 2 }, 3, MANY);
    for class in 0..3 {
        let x = of_class(&data, class);
        assert_share(x.nrows(), MANY, 1.0 / 3.0, "random labels");
        assert_normal(&x, &[0.0; 2], 1.0, "samples of a class");
    }
    // Neighbours in the order of the draw have nothing to do with each other either.
    let alike = classes(&data).windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_share(alike, MANY - 1, 1.0 / 3.0, "neighbours");
}

#[test]
fn label_noise_replaces_the_stated_share_of_training_labels_by_the_other_classes_alike() {
    for built_in in [BuiltIn::AppendixC, BuiltIn::Circles { classes: 4, noise: 0.1 }] {
        let count = built_in.classes();
        let clean = Draw::new(built_in.clone(), 3);
        let (x, before) = (clean.train(MANY).unwrap(), classes(&clean.train(MANY).unwrap()));
        let mut changed_before: Vec<Option<usize>> = vec![None; MANY];
        for p in [0.1, 0.5, 1.0] {
            let noisy = Draw { label_noise: p, ..clean.clone() };
            let data = noisy.train(MANY).unwrap();
            assert_eq!(data.x(), x.x());
            let after = classes(&data);
            let changed: Vec<Option<usize>> =
                before.iter().zip(&after).map(|(a, b)| (a != b).then(|| (b + count - a) % count)).collect();
            assert_share(changed.iter().flatten().count(), MANY, p, "label noise");
            for shift in 1..count {
                let to = changed.iter().flatten().filter(|&&by| by == shift).count();
                assert_share(to, MANY, p / (count - 1) as f64, "to another class");
            }
            // What changed at a smaller P changed to the same.
            assert!(changed_before.iter().zip(&changed).all(|(then, now)| then.is_none() || then == now));
            changed_before = changed;
            assert_eq!(noisy.test(100).unwrap(), clean.test(100).unwrap());
        }
    }
}

#[test]
fn draws_have_equal_classes_f32_values_and_a_stream_of_their_own_for_the_test() {
    for built_in in every() {
        let name = built_in.to_string();
        let data = train(&built_in, 3, 60);
        assert_eq!((data.samples(), data.inputs()), (60, built_in.inputs()), "{name}");
        assert_eq!(data.targets().outputs(), if built_in.classes() == 2 { 1 } else { built_in.classes() }, "{name}");
        assert!(data.x().iter().all(|&x| f64::from(x as f32).to_bits() == x.to_bits()), "{name}");
        let drawn = matches!(built_in, BuiltIn::Teacher(_) | BuiltIn::RandomLabels { .. });
        for class in (0..built_in.classes()).filter(|_| !drawn) {
            assert_eq!(of_class(&data, class).nrows(), 60 / built_in.classes(), "{name}");
        }
        assert_eq!(data, train(&built_in, 3, 60), "{name}");
        assert_ne!(data, train(&built_in, 4, 60), "{name}");
        assert_ne!(data, Draw::new(built_in.clone(), 3).test(60).unwrap(), "{name}");
        // Fewer samples are the first ones; the paper's draw has its classes one after the other.
        if built_in != BuiltIn::AppendixC {
            let fewer = train(&built_in, 3, 20);
            assert_eq!(fewer.x(), data.x().slice(ndarray::s![..20, ..]), "{name}");
            assert_eq!(classes(&fewer), classes(&data)[..20], "{name}");
        }
    }
}

/// The paper's data are the bits that they always were.
#[test]
fn appendix_c_by_name_is_the_papers_draw() {
    for seed in [0, 7, u64::MAX] {
        let draw = Draw::new(BuiltIn::AppendixC, seed);
        assert_eq!(draw.train(51), appendix_c(51, seed, Stream::TrainData));
        assert_eq!(draw.test(10), appendix_c(10, seed, Stream::TestData));
    }
}

/// A hash of all values and classes.
fn fingerprint(data: &Dataset) -> String {
    let mut hasher = blake3::Hasher::new();
    for x in data.x() {
        hasher.update(&x.to_le_bytes());
    }
    for class in classes(data) {
        hasher.update(&(class as u64).to_le_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// One change of one bit of any sample, on any machine, shows here.
#[test]
fn draws_are_the_same_everywhere() {
    let found: Vec<String> = every()
        .into_iter()
        .map(|built_in| {
            let draw = Draw { label_noise: 0.2, ..Draw::new(built_in, 3) };
            let [train, test] = [draw.train(50), draw.test(20)].map(|data| fingerprint(&data.unwrap()));
            format!("{} {train} {test}", draw.built_in)
        })
        .collect();
    assert_eq!(found, PINNED, "{found:#?}");
}

/// Hashes of the training and the test data of each.
const PINNED: [&str; 14] = [
    "appendix-c 4fd80dce25735939 f01f801260b85599",
    "moons, noise 0.1 a58a0269bf8908d0 1fcd9df661ce79f7",
    "circles, noise 0.1 7e16546de9962c21 d16b60492bda376d",
    "circles of 3 classes, noise 0.1 40dd58f58cb2b245 8933cba9493710e6",
    "spirals, noise 0.1 0da500ad2a6de1a5 5f107c813eecd52b",
    "spirals of 4 classes, noise 0.1 f2f24bd959b0a217 1a13949b9f30e321",
    "mixture, noise 0.5 0ca05c4badd067f2 413b152004a6cd52",
    "mixture of 5 classes, noise 0.5 6a7bf9b66af4f911 64844d4f6841edfe",
    "parity, noise 0.1 6a227d0a91b2a8b4 376777df355d717c",
    "parity, noise 0.1 12ca3bb0624998e0 fad8a72d0affb4fa",
    "teacher 2-3-1 tanh e8710ed039052bc2 139a1c36eca67651",
    "teacher 5-8-8-3 gelu c15853f9a1b72625 667d20185066ab0a",
    "random-labels d0ff02c6f13308dc c7431481076feb86",
    "random-labels of 3 classes 364a3ab67510fbd1 fe42074b2821d6cd",
];

/// A run is known by the hash of its data: that of any number of classes, too.
#[test]
fn the_hash_in_a_manifest_tells_draws_with_the_same_samples_apart() {
    for classes in [2, 3] {
        let hash = |label_noise| {
            let built_in = BuiltIn::Circles { classes, noise: 0.1 };
            let (train, _) = drawn_data(&Draw { built_in, data_seed: 0, label_noise }, 50, None, None).unwrap();
            let work = Work::sweep(0..1, Descent::default());
            Experiment::new(work, 3, Activation::Tanh, train, None).unwrap().spec.data.hash
        };
        assert_eq!(hash(0.5), hash(0.5));
        assert_ne!(hash(0.0), hash(0.5), "K = {classes}");
    }
}

#[test]
fn numbers_outside_their_range_are_refused_in_words() {
    let refusal = |built_in: BuiltIn, label_noise: f64, samples: usize| {
        let draw = Draw { label_noise, ..Draw::new(built_in, 0) };
        drawn_data(&draw, samples, None, None).unwrap_err().to_string()
    };
    let huge = usize::MAX;
    for (built_in, label_noise, samples, says) in [
        (BuiltIn::Moons { noise: f64::NAN }, 0.0, 50, "the noise is NaN: it must be finite and not negative"),
        (BuiltIn::Parity { inputs: 2, noise: -0.1 }, 0.0, 50, "the noise is -0.1"),
        (BuiltIn::Moons { noise: 1e39 }, 0.0, 50, "within the range of f32"),
        (BuiltIn::Moons { noise: 0.1 }, 1.5, 50, "the label noise is 1.5: it must be a probability"),
        (BuiltIn::AppendixC, f64::NAN, 50, "the label noise is NaN"),
        (BuiltIn::Circles { classes: 1, noise: 0.1 }, 0.0, 50, "the number of classes is 1"),
        (BuiltIn::Spirals { classes: 51, noise: 0.1 }, 0.0, 50, "at least 51, one of each class"),
        (BuiltIn::Mixture { classes: huge, inputs: 2, noise: 0.1 }, 0.0, 50, "the number of classes"),
        (BuiltIn::Mixture { classes: 2, inputs: 0, noise: 0.1 }, 0.0, 50, "the number of inputs is 0"),
        (BuiltIn::RandomLabels { classes: 2, inputs: huge }, 0.0, 50, "the number of inputs"),
        (BuiltIn::RandomLabels { classes: 2, inputs: 1 << 20 }, 0.0, 1 << 30, "samples fit"),
        (BuiltIn::AppendixC, 0.0, huge, "samples fit"),
        (BuiltIn::Moons { noise: 0.1 }, 0.0, 1, "the number of samples is 1: it must be at least 2"),
        (teacher(&[0], Activation::Tanh, 2, 2), 0.0, 50, "the teacher of the data is no network"),
        (teacher(&[1 << 19], Activation::Tanh, 2, 2), 0.0, 50, "parameters"),
    ] {
        let message = refusal(built_in.clone(), label_noise, samples);
        assert!(message.contains(says), "{built_in}: {message}");
    }
    let draw = Draw::new(BuiltIn::Moons { noise: 0.1 }, 0);
    assert_eq!(draw.test(0).unwrap_err().to_string(), "the number of test samples is 0: it must be at least 1");
    assert!(matches!(draw.train(1), Err(DataError::Parameter { .. })));
    let unused = BuiltInName::Moons.with(&BuiltInOptions { inputs: Some(3), ..BuiltInOptions::default() });
    assert!(matches!(&unused, Err(SpecError::Unused { option: "--data-inputs", .. })), "{unused:?}");
}

#[test]
fn names_have_their_defaults_and_their_options() {
    let all = BuiltInOptions {
        noise: Some(0.3),
        classes: Some(3),
        inputs: Some(4),
        teacher_hidden: Some(vec![8, 8].into()),
        teacher_activation: Some(Activation::Gelu),
    };
    let none = BuiltInOptions::default();
    let of_teacher = BuiltInOptions { noise: None, ..all.clone() };
    let expected = teacher(&[8, 8], Activation::Gelu, 4, 3);
    assert_eq!(BuiltInName::Teacher.with(&of_teacher).unwrap(), expected);
    assert_eq!(BuiltInName::Teacher.with(&none).unwrap(), teacher(&[3], Activation::Tanh, 2, 2));
    let mixture = BuiltIn::Mixture { classes: 2, inputs: 2, noise: 0.5 };
    assert_eq!(BuiltInName::Mixture.with(&none).unwrap(), mixture);
    assert_eq!(BuiltInName::default().with(&none).unwrap(), BuiltIn::AppendixC);
    assert!(BuiltInName::AppendixC.with(&all).is_err());
}

/// The source of drawn data is what the name says, with all that determines it; those of earlier runs are read and
/// written as they were.
#[test]
fn manifests_hold_all_that_determines_a_draw() {
    let as_text = |source: &DataSource| serde_json::to_string(source).unwrap();
    let from_text = |text: &str| serde_json::from_str::<DataSource>(text).unwrap();
    let ((_, source), _) = appendix_c_data(50, 3).unwrap();
    assert_eq!(as_text(&source), r#"{"from":"appendix-c","data_seed":3}"#);
    for old in [r#"{"from":"files","x":"X.npy","q":"Q.npy"}"#, r#"{"from":"arrays"}"#] {
        assert_eq!(as_text(&from_text(old)), old);
    }
    for (label_noise, built_in) in [0.0, 0.1]
        .into_iter()
        .zip([every(), every()])
        .flat_map(|(p, all)| all.into_iter().map(move |built_in| (p, built_in)))
    {
        // A number that a parser off by one unit in the last place would change.
        let draw = Draw { built_in, data_seed: u64::MAX, label_noise: label_noise + label_noise * 2.0 };
        let source = DataSource::Drawn(draw.clone());
        let text = as_text(&source);
        assert_eq!(from_text(&text), source, "{text}");
        assert!(text.starts_with(&format!(r#"{{"from":"{}""#, draw.built_in.name())), "{text}");
        assert_eq!(text.contains("label_noise"), label_noise > 0.0, "{text}");
    }
    assert!(serde_json::from_str::<DataSource>(r#"{"from":"elsewhere","data_seed":3}"#).is_err());
}

/// Arguments of a small sweep, of 30 seeds unless `more` says how many.
fn sweep<'a>(more: &[&'a str], out: &'a str) -> Vec<&'a str> {
    let seeds: &[&str] = if more.contains(&"--seeds") { &[] } else { &["--seeds", "30"] };
    [&["sweep", "--backend", "cpu", "--max-steps", "40", "--out", out][..], seeds, more].concat()
}

#[test]
fn a_grid_over_data_seeds_has_a_run_and_a_row_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    succeed(dir.path(), &sweep(&["--data", "moons", "--data-seed", "5,0", "--step-size", "0.1,0.2"], "grid"));
    let grid: serde_json::Value = serde_json::from_str(&fs::read_to_string(at("grid/grid.json")).unwrap()).unwrap();
    let runs = grid["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["name"].as_str().unwrap()).collect();
    let expected = ["0.1-data5", "0.1-data0", "0.2-data5", "0.2-data0"].map(|end| format!("sigmoid-n3-eta{end}"));
    assert_eq!(names, expected);
    assert_eq!(runs[2]["data_seed"], 5);
    let table = fs::read_to_string(at("grid/table.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..5], ["name", "activation", "hidden", "step_size", "data_seed"]);
    assert_eq!(rows[1..].iter().map(|row| row[4]).collect::<Vec<_>>(), ["5", "0", "5", "0"]);
    let shown = String::from_utf8(succeed(dir.path(), &["show", "grid"]).stdout).unwrap();
    assert!(shown.lines().next().unwrap().contains("data_seed"), "{shown}");
    // Each run is the sweep of its data seed.
    succeed(dir.path(), &sweep(&["--data", "moons", "--data-seed", "5", "--step-size", "0.2"], "alone"));
    assert_same_columns(&at("grid/sigmoid-n3-eta0.2-data5"), &at("alone"));
    assert_eq!(manifest(&at("alone"))["spec"]["data"]["source"]["data_seed"], 5);
    // A grid over other things is as it always was.
    succeed(dir.path(), &sweep(&["--hidden", "2,3"], "widths"));
    let [grid, table] = ["widths/grid.json", "widths/table.csv"].map(|path| fs::read_to_string(at(path)).unwrap());
    assert!(!grid.contains("data_seed") && !table.contains("data_seed"), "{grid} {table}");
    // Resuming leaves a finished grid and its table alone, and repeats the table.
    let again = succeed(dir.path(), &["resume", "grid"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to do"));
    assert_eq!(fs::read_to_string(at("grid/table.csv")).unwrap().lines().count(), 5);
    assert!(fail(dir.path(), &sweep(&["--data-seed", "1,1"], "twice"), 2).contains("--data-seed lists a value twice"));
}

#[test]
fn a_grid_over_data_seeds_is_resumed_and_sharded_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let options = ["--data", "teacher", "--teacher-hidden", "4x3", "--data-label-noise", "0.1", "--data-seed", "0,1,2"];
    let options = [&options[..], &["--seeds", "600"]].concat();
    succeed(dir.path(), &sweep(&options, "whole"));
    let names: Vec<String> = (0..3).map(|seed| format!("sigmoid-n3-eta0.1-data{seed}")).collect();
    cut(dir.path(), &sweep(&options, "cut"), &format!("cut/{}", names[1]));
    let cut_off = manifest(&at(&format!("cut/{}", names[1])));
    assert_eq!(cut_off["state"], "running");
    // The test labels have no noise, and their source says none.
    let [train, test] = ["data", "test"].map(|data| cut_off["spec"][data]["source"].clone());
    assert!(train["label_noise"] == 0.1 && test.get("label_noise").is_none(), "{train} {test}");
    succeed(dir.path(), &["resume", "cut"]);
    for part in ["1", "2"] {
        let (shard, out) = (format!("{part}/2"), format!("part-{part}"));
        succeed(dir.path(), &sweep(&[&options[..], &["--shard", &shard]].concat(), &out));
    }
    succeed(dir.path(), &["merge", "part-2", "part-1", "--out", "merged"]);
    for name in &names {
        for found in ["cut", "merged"] {
            assert_same_columns(&at(found).join(name), &at("whole").join(name));
            let specs = [found, "whole"].map(|grid| manifest(&at(grid).join(name))["spec"].clone());
            assert_eq!(specs[0], specs[1]);
        }
    }
    // Longer, and still the same draws.
    succeed(dir.path(), &["resume", "whole", "--seeds", "610"]);
    assert_eq!(manifest(&at("whole").join(&names[2]))["spec"]["work"]["seeds"], 610);
}

#[test]
fn runs_on_built_in_data_are_replayed_evaluated_reported_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let parity = ["--data", "parity", "--data-inputs", "3", "--data-noise", "0.2", "--data-seed", "4"];
    succeed(dir.path(), &sweep(&[&parity[..], &["--test-samples", "25"]].concat(), "run"));
    let run = manifest(&at("run"));
    assert_eq!(run["spec"]["data"]["source"].to_string(), {
        let expected = serde_json::json!({"from": "parity", "inputs": 3, "noise": 0.2, "data_seed": 4});
        expected.to_string()
    });
    assert_eq!((&run["spec"]["test"]["samples"], &run["spec"]["data"]["inputs"]), (&25.into(), &3.into()));

    let replay = [&["replay", "7", "--max-steps", "40", "--out", "replay"][..], &parity].concat();
    succeed(dir.path(), &replay);
    let of_seed: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at("replay/replay.json")).unwrap()).unwrap();
    assert_eq!(of_seed["spec"]["data"], run["spec"]["data"]);
    let loss: Array1<f64> = ndarray_npy::read_npy(at("run/loss.npy")).unwrap();
    assert!((of_seed["loss"].as_f64().unwrap() / loss[7] - 1.0).abs() < 1e-3, "{} {}", of_seed["loss"], loss[7]);

    let evaluate =
        ["evaluate", "--backend", "cpu", "--theta", "run/theta.npy", "--test-samples", "25", "--out", "again"];
    succeed(dir.path(), &[&evaluate[..], &parity].concat());
    for column in ["loss", "lambda_sup", "macro_f1"] {
        let [a, b] = ["run", "again"].map(|run| fs::read(at(run).join(format!("{column}.npy"))).unwrap());
        assert!(a == b, "{column}");
    }

    succeed(dir.path(), &["report", "run"]);
    let page = fs::read_to_string(at("run/report/report.html")).unwrap();
    assert!(page.contains("the built-in data parity, noise 0.2, data seed 4"), "the page does not name its data");
    let shown = String::from_utf8(succeed(dir.path(), &["show", "run"]).stdout).unwrap();
    assert!(shown.contains("parity, noise 0.2, data seed 4 (I = 50, M = 3)"), "{shown}");

    // Runs of different draws are told apart by the options that make them.
    let shard = |noise: &'static str, shard: &'static str, out| {
        sweep(&["--data", "moons", "--data-noise", noise, "--shard", shard], out)
    };
    succeed(dir.path(), &shard("0.1", "1/2", "first"));
    succeed(dir.path(), &shard("0.3", "2/2", "second"));
    let refused = fail(dir.path(), &["merge", "first", "second", "--out", "both"], 1);
    assert!(refused.contains("--data-noise: 0.1 in first, 0.3 in second"), "{refused}");
}

#[test]
fn what_cannot_be_drawn_or_trained_is_refused_before_a_directory_is_made() {
    let dir = tempfile::tempdir().unwrap();
    for (options, code, says) in [
        ("--data moons --data-inputs 3", 2, "--data-inputs is for other built-in data: moons takes --data-noise"),
        ("--data-noise 0.1", 2, "appendix-c takes none of these options"),
        ("--data moons --data-noise -1", 2, "the noise is -1"),
        ("--data moons --data-label-noise 2", 2, "the label noise is 2"),
        ("--data circles --data-classes 60", 2, "at least 60"),
        ("--data teacher --teacher-hidden 3x0", 2, "such as 3, of several, such as 8x8"),
        ("--data moons --test-samples 0", 2, "the number of test samples is 0"),
        ("--data wave", 2, "appendix-c, moons, circles, spirals, mixture, parity, teacher, random-labels"),
        ("--x X.npy --q Q.npy --data-noise 0.1", 2, "cannot be used with"),
        ("--x X.npy --q Q.npy --data-label-noise 0.1", 2, "cannot be used with"),
    ] {
        let options: Vec<&str> = options.split(' ').collect();
        let message = fail(dir.path(), &sweep(&options, "run"), code);
        assert!(message.contains(says), "{options:?}: {message}");
        assert!(!dir.path().join("run").exists(), "{options:?}");
    }
    // Three classes train with softmax.
    succeed(dir.path(), &sweep(&["--data", "mixture", "--data-classes", "3"], "run"));
    assert_eq!(manifest(&dir.path().join("run"))["spec"]["loss"], "softmax");
    fs::remove_dir_all(dir.path().join("run")).unwrap();
    for several in [&["--data-seed", "0,1"][..], &["--data-seed", "0", "--data-seed", "1"]] {
        fail(dir.path(), &[&["replay", "7"][..], several].concat(), 2);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
