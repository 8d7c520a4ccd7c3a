//! The sheet that a figure is drawn on: panels with axes in pixel coordinates, texts, legends, colour bars.
//!
//! kuva draws axes, series and contours of a panel; this module places panels side by side, sets labels with subscripts, and adds
//! what kuva has no plot for.

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::plot::line::{LinePlot, LineStyle};
use kuva::plot::scatter::{MarkerShape, ScatterPlot};
use kuva::render::layout::{ComputedLayout, Layout};
use kuva::render::plots::Plot;
use kuva::render::render::{Primitive, Scene, TextAnchor, render_multiple};

use super::axis::{Axis, TICK_LENGTH, Tick};
use super::lettering::{LABEL_SIZE, TEXT_SIZE};
use super::{lettering, palette, raster};

/// Width of every figure in pixels: one column of a journal, [`WIDTH_MM`] on paper.
pub(crate) const WIDTH: f64 = 420.0;
/// Width of every figure on paper, in millimetres. One pixel is 0.2 mm, so that 14 pixels of text are 8 points.
pub(crate) const WIDTH_MM: f64 = 85.0;
/// Raster pixels per canvas pixel: 500 dots per inch at [`WIDTH_MM`].
const PNG_SCALE: f32 = 4.0;
/// Room below a panel for ticks and the label of its x axis.
pub(crate) const X_AXIS_ROOM: f64 = 42.0;

/// A rectangle on the canvas, in pixels from its top left corner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Ticks by their place along the axis, with their labels.
type Placed = Vec<(f64, String)>;

/// A panel being drawn: a rectangle with two axes.
pub(crate) struct Panel {
    area: Area,
    x: Axis,
    y: Axis,
    mapping: ComputedLayout,
    /// The baseline of the y axis' label, in pixels from the left edge of the canvas.
    label_at: f64,
    under: Vec<Primitive>,
    plots: Vec<Plot>,
    over: Vec<Primitive>,
}

impl Panel {
    pub(crate) fn new(area: Area, x: Axis, y: Axis) -> Self {
        let mapping = ComputedLayout::from_layout(&layout(area, &x, &y));
        let label_at = area.left - y.room() + f64::from(LABEL_SIZE);
        Self { area, x, y, mapping, label_at, under: Vec::new(), plots: Vec::new(), over: Vec::new() }
    }

    /// Moves the label of the y axis to the left edge of the canvas, in line with those of other panels there.
    pub(crate) fn with_label_at_the_edge(mut self) -> Self {
        self.label_at = f64::from(LABEL_SIZE);
        self
    }

    /// Canvas position of a point in data coordinates.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.mapping.map_x(x), self.mapping.map_y(y))
    }

    /// A curve; `dash` is an SVG dash pattern.
    pub(crate) fn curve(&mut self, points: &[(f64, f64)], color: &str, dash: Option<&str>, width: f64) {
        let mut line = LinePlot::new().with_data(points.to_vec()).with_color(color).with_stroke_width(width);
        if let Some(dash) = dash {
            line = line.with_line_style(LineStyle::Custom(dash.into()));
        }
        self.plots.push(Plot::Line(line));
    }

    /// Markers at `points`, of radius `size` pixels.
    pub(crate) fn markers(&mut self, points: &[(f64, f64)], color: &str, shape: MarkerShape, size: f64, opacity: f64) {
        let scatter =
            ScatterPlot::new().with_data(points.to_vec()).with_color(color).with_marker(shape).with_size(size);
        self.plots.push(Plot::Scatter(scatter.with_marker_opacity(opacity)));
    }

    /// The ticks of both axes that fit, at their place along the axis in canvas coordinates.
    fn ticks(&self) -> (Placed, Placed) {
        /// The least distance between the labels of neighbouring ticks, in pixels.
        const APART: f64 = 7.0;
        let size = f64::from(TEXT_SIZE);
        let x = |tick: &Tick| self.at(tick.at, self.y.range.0).0;
        let y = |tick: &Tick| self.at(self.x.range.0, tick.at).1;
        let wide = |ticks: &[Tick]| {
            let half = |tick: &Tick| lettering::width(&tick.label, size) / 2.0;
            ticks.windows(2).all(|pair| x(&pair[1]) - x(&pair[0]) >= half(&pair[0]) + half(&pair[1]) + APART)
        };
        let high = |ticks: &[Tick]| ticks.windows(2).all(|pair| y(&pair[0]) - y(&pair[1]) >= size + 2.0);
        let (x_ticks, y_ticks) = (self.x.ticks(wide), self.y.ticks(high));
        (
            x_ticks.into_iter().map(|tick| (x(&tick), tick.label)).collect(),
            y_ticks.into_iter().map(|tick| (y(&tick), tick.label)).collect(),
        )
    }

    /// Any other plot of kuva.
    pub(crate) fn plot(&mut self, plot: impl Into<Plot>) {
        self.plots.push(plot.into());
    }

    /// A straight line from one point in data coordinates to another, above everything else.
    pub(crate) fn segment(&mut self, from: (f64, f64), to: (f64, f64), color: &str, width: f64, dash: Option<&str>) {
        let ((x1, y1), (x2, y2)) = (self.at(from.0, from.1), self.at(to.0, to.1));
        let stroke_dasharray = dash.map(Into::into);
        self.over.push(Primitive::Line { x1, y1, x2, y2, stroke: color.into(), stroke_width: width, stroke_dasharray });
    }

    /// A filled rectangle between two corners in data coordinates: below the curves, or with an `outline` above them.
    pub(crate) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), fill: &str, outline: Option<&str>) {
        let ((x1, y1), (x2, y2)) = (self.at(from.0, from.1), self.at(to.0, to.1));
        let rectangle = Primitive::Rect {
            x: x1.min(x2),
            y: y1.min(y2),
            width: (x1 - x2).abs(),
            height: (y1 - y2).abs(),
            fill: fill.into(),
            stroke: outline.map(Into::into),
            stroke_width: outline.map(|_| 1.2),
            opacity: None,
        };
        if outline.is_some() { self.over.push(rectangle) } else { self.under.push(rectangle) }
    }

    /// Something in canvas coordinates below the curves.
    pub(crate) fn underlay(&mut self, primitive: Primitive) {
        self.under.push(primitive);
    }

    /// A text at a point in data coordinates, moved by `shift` pixels.
    pub(crate) fn note(&mut self, at: (f64, f64), shift: (f64, f64), text: &str, anchor: TextAnchor) {
        let (x, y) = self.at(at.0, at.1);
        self.over.push(label(x + shift.0, y + shift.1, text, TEXT_SIZE, anchor, None));
    }
}

fn layout(area: Area, x: &Axis, y: &Axis) -> Layout {
    // The panel's layout is the whole canvas with margins around `area`, so that its coordinates are the canvas'.
    let (width, height) = (WIDTH, area.bottom() + 200.0);
    let mut layout = Layout::new(x.range, y.range)
        .with_width(width)
        .with_height(height)
        .with_force_margins(area.left, width - area.right())
        .with_force_margins_y(area.top, height - area.bottom())
        .with_show_grid(false)
        .with_box_axes()
        .with_x_axis_min(x.range.0)
        .with_x_axis_max(x.range.1)
        .with_y_axis_min(y.range.0)
        .with_y_axis_max(y.range.1);
    if x.is_log() {
        layout = layout.with_log_x();
    }
    if y.is_log() {
        layout = layout.with_log_y();
    }
    // Drawn by the canvas, in one style and only as many as fit.
    layout.suppress_x_ticks = true;
    layout.suppress_y_ticks = true;
    layout.show_legend = false;
    layout.show_colorbar = false;
    layout
}

fn label(x: f64, y: f64, text: &str, size: u32, anchor: TextAnchor, rotate: Option<f64>) -> Primitive {
    Primitive::Text { x, y, content: text.into(), size, anchor, rotate, bold: false, color: None }
}

/// What a legend shows beside its text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    Line { color: &'a str, dash: Option<&'a str> },
    Marker { color: &'a str, shape: MarkerShape },
}

impl Key<'static> {
    /// The entries of several curves with these `names`.
    pub(crate) fn of_series<T: AsRef<str>>(names: &[T]) -> Vec<(Self, &str)> {
        let key = |k| {
            let (color, dash) = palette::series(k);
            Self::Line { color, dash }
        };
        names.iter().enumerate().map(|(k, name)| (key(k), name.as_ref())).collect()
    }
}

/// The sheet of one figure.
pub(crate) struct Canvas {
    scene: Scene,
    panels: usize,
}

impl Canvas {
    /// An empty white sheet of `height` pixels, rounded up to whole ones.
    pub(crate) fn new(height: f64) -> Self {
        let mut scene = Scene::new(WIDTH, height.ceil());
        scene.font_family = Some("DejaVu Sans, Verdana, Liberation Sans, Arial, sans-serif".into());
        scene.text_color = Some(palette::INK.into());
        Self { scene, panels: 0 }
    }

    /// Draws `panel` with its axes.
    pub(crate) fn place(&mut self, panel: Panel) {
        let (x_ticks, y_ticks) = panel.ticks();
        let Panel { area, x, y, label_at, under, mut plots, over, .. } = panel;
        // Without a plot kuva leaves out the axes too.
        plots.push(Plot::Line(LinePlot::new()));
        self.panels += 1;
        let id = format!("panel-{}", self.panels);
        let Area { left, top, width, height } = area;
        self.scene.add(Primitive::ClipStart { x: left, y: top, width, height, id: format!("{id}-under") });
        under.into_iter().for_each(|primitive| self.scene.add(primitive));
        self.scene.add(Primitive::ClipEnd);
        for mut primitive in render_multiple(plots, layout(area, &x, &y)).elements {
            if let Primitive::ClipStart { id: clip, .. } = &mut primitive {
                clip.clone_from(&id);
            }
            self.scene.add(primitive);
        }
        over.into_iter().for_each(|primitive| self.scene.add(primitive));
        for (at, label) in x_ticks {
            self.tick((at, area.bottom()), (at, area.bottom() + TICK_LENGTH));
            // The label of a tick at the edge of the sheet stays on it.
            let half = lettering::width(&label, f64::from(TEXT_SIZE)) / 2.0;
            let middle = at.clamp(half + 1.0, WIDTH - half - 1.0);
            self.text(middle, area.bottom() + TICK_LENGTH + 13.0, &label, TEXT_SIZE, TextAnchor::Middle);
        }
        for (at, label) in y_ticks {
            self.tick((left, at), (left - TICK_LENGTH, at));
            self.text(left - TICK_LENGTH - 3.0, at + 4.5, &label, TEXT_SIZE, TextAnchor::End);
        }
        let (middle, x_label, y_label) = (left + width / 2.0, x.full_label(), y.full_label());
        if !x_label.is_empty() {
            self.text(middle, area.bottom() + X_AXIS_ROOM - 6.0, &x_label, LABEL_SIZE, TextAnchor::Middle);
        }
        if !y_label.is_empty() {
            self.scene.add(label(label_at, top + height / 2.0, &y_label, LABEL_SIZE, TextAnchor::Middle, Some(-90.0)));
        }
    }

    fn tick(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let stroke = palette::INK.into();
        self.scene.add(Primitive::Line { x1, y1, x2, y2, stroke, stroke_width: 1.0, stroke_dasharray: None });
    }

    /// A text in canvas coordinates; `y` is its baseline.
    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str, size: u32, anchor: TextAnchor) {
        self.scene.add(label(x, y, text, size, anchor, None));
    }

    /// Something in canvas coordinates.
    pub(crate) fn draw(&mut self, primitive: Primitive) {
        self.scene.add(primitive);
    }

    /// A legend in one row centred on `middle`, its text on the baseline `y`.
    pub(crate) fn legend(&mut self, middle: f64, y: f64, entries: &[(Key<'_>, &str)]) {
        const SWATCH: f64 = 24.0;
        const GAP: f64 = 6.0;
        const BETWEEN: f64 = 14.0;
        let size = f64::from(TEXT_SIZE);
        let widths: Vec<f64> = entries.iter().map(|(_, text)| SWATCH + GAP + lettering::width(text, size)).collect();
        let total = widths.iter().sum::<f64>() + BETWEEN * entries.len().saturating_sub(1) as f64;
        let (mut x, swatch_y) = (middle - total / 2.0, y - 0.36 * size);
        for ((key, text), width) in entries.iter().zip(widths) {
            self.swatch(*key, x, swatch_y, SWATCH);
            self.text(x + SWATCH + GAP, y, text, TEXT_SIZE, TextAnchor::Start);
            x += width + BETWEEN;
        }
    }

    fn swatch(&mut self, key: Key<'_>, x: f64, y: f64, width: f64) {
        match key {
            Key::Line { color, dash } => self.scene.add(Primitive::PolyLine {
                points: vec![(x, y), (x + width, y)],
                stroke: color.into(),
                stroke_width: 2.0,
                stroke_dasharray: dash.map(Into::into),
            }),
            Key::Marker { color, shape } => {
                // The same marker as in the panel, drawn by kuva on a panel without axes.
                let (cx, size) = (x + width - 8.0, 4.5);
                let scatter = ScatterPlot::new().with_data(vec![(cx, -y)]).with_color(color).with_marker(shape);
                let area = Area { left: 0.0, top: 0.0, width: WIDTH, height: self.scene.height };
                let axes = (Axis::linear("", (0.0, WIDTH)).bare(), Axis::linear("", (-self.scene.height, 0.0)).bare());
                let layout = layout(area, &axes.0, &axes.1);
                let scene = render_multiple(vec![Plot::Scatter(scatter.with_size(size))], layout);
                let is_marker = |p: &Primitive| {
                    matches!(
                        p,
                        Primitive::Circle { .. }
                            | Primitive::CircleBatch { .. }
                            | Primitive::Path(_)
                            | Primitive::Rect { .. }
                    )
                };
                scene.elements.into_iter().filter(is_marker).for_each(|p| self.scene.add(p));
            }
        }
    }

    /// The drawing as SVG and PNG.
    pub(crate) fn render(mut self) -> Result<(String, Vec<u8>), String> {
        let svg = lettering::mark_up(&SvgBackend::new().render_scene(&self.scene));
        let (width, height) = (self.scene.width, self.scene.height);
        // kuva gives the size in pixels only. Without a view box the drawing would not scale, and a column of paper is a length.
        let pixels = format!(r#"width="{width}" height="{height}""#);
        let height_mm = height * WIDTH_MM / WIDTH;
        let scaled = format!(r#"width="{WIDTH_MM}mm" height="{height_mm:.2}mm" viewBox="0 0 {width} {height}""#);
        let svg = svg.replacen(&pixels, &scaled, 1);
        if !svg.contains("viewBox") {
            return Err("the size of the SVG was not where it was expected".into());
        }
        raster::prepare(&mut self.scene);
        let png = RasterBackend::new().with_scale(PNG_SCALE).render_scene(&self.scene)?;
        Ok((svg, png))
    }
}
