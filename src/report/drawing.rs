//! What figures are drawn with. kuva draws the curves; what it lacks is here.

mod axis;
mod canvas;
mod figure;
mod lettering;
pub(crate) mod palette;
mod raster;
mod thinning;

pub use figure::{Figure, FigureError, Gap};
pub use lettering::{html, plain};

pub(crate) use axis::{Axis, scales};
pub(crate) use canvas::{Area, Canvas, Key, Panel, WIDTH, X_AXIS_ROOM};
pub(crate) use lettering::{TEXT_SIZE, exponent_of, minus, number, one_notation, power_of_ten};
pub(crate) use palette::{BLUE, BLUE_TINT, GREY, INK, VERMILLION, VERMILLION_TINT, diverging};
pub(crate) use thinning::{thin, thinning_note};
