//! What figures are drawn with. kuva draws the curves; what it lacks is here.

pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod figure;
pub(crate) mod lettering;
pub(crate) mod palette;
mod raster;
pub(crate) mod thinning;
