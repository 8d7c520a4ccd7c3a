//! Opens a page in headless chromium and tells what a person would see.

use std::path::Path;
use std::process::Command;

/// Width of a phone's viewport in pixels.
pub(crate) const PHONE: u32 = 390;

/// What a browser says about a page.
pub(crate) struct Seen {
    /// Width of what can be scrolled to.
    pub(crate) scroll_width: f64,
    /// (id of the figure, natural width, width on the page)
    pub(crate) images: Vec<(String, f64, f64)>,
    /// Elements that reach beyond the viewport or beyond one around them that does not show that it scrolls.
    pub(crate) cut: Vec<String>,
    /// Lines of the console.
    pub(crate) console: Vec<String>,
}

/// Opens `html` in headless chromium in a viewport of `width` pixels; None where the developer asked to skip.
pub(crate) fn open_in_browser(html: &str, width: u32) -> Option<Seen> {
    if std::env::var_os("SHARPSWEEP_SKIP_BROWSER").is_some_and(|value| value == "1") {
        // Straight to stderr: the test harness swallows eprintln! of tests that pass.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED the report in a browser: SHARPSWEEP_SKIP_BROWSER=1\n",
        );
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    // Chromium's windows are at least 500 pixels wide: a frame is a viewport as narrow as a phone's.
    let frame = html.replace('&', "&amp;").replace('"', "&quot;");
    let page = format!(
        r#"<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<iframe id="frame" style="border:0;width:{width}px;height:844px" srcdoc="{frame}"></iframe><pre id="seen"></pre>
<script>{SCRIPT}</script>"#
    );
    let path = directory.path().join("page.html");
    std::fs::write(&path, page).unwrap();
    let output = run_chromium(directory.path(), &path);
    let dom = String::from_utf8_lossy(&output.stdout);
    let seen = dom.split(r#"<pre id="seen">"#).nth(1).and_then(|rest| rest.split("</pre>").next());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let seen =
        seen.filter(|seen| !seen.is_empty()).unwrap_or_else(|| panic!("chromium did not open the page:\n{stderr}"));
    let (scroll_width, images, cut) = serde_json::from_str(seen).unwrap();
    let console = stderr.lines().filter(|line| line.contains(":CONSOLE")).map(String::from).collect();
    Some(Seen { scroll_width, images, cut, console })
}

/// Tells of the frame's page what [`Seen`] holds. An element that scrolls shows it by shadows: backgrounds of which some move with what is
/// scrolled and some do not.
const SCRIPT: &str = r#"onload = () => {
  const frame = document.getElementById("frame"), page = frame.contentDocument, view = frame.contentWindow;
  const images = [...page.querySelectorAll("figure img")].map(image =>
    [image.parentElement.id, image.complete ? image.naturalWidth : 0, image.getBoundingClientRect().width]);
  const style = element => view.getComputedStyle(element);
  const scrolls = element => ["auto", "scroll"].includes(style(element).overflowX);
  const shows = element => {
    const backgrounds = style(element).backgroundAttachment.split(", ");
    return backgrounds.includes("local") && backgrounds.includes("scroll");
  };
  const cut = [];
  for (const element of page.body.querySelectorAll("*")) {
    const name = element.tagName.toLowerCase() + " " + element.textContent.trim().slice(0, 40);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && style(element).display !== "inline") {
      if (!(scrolls(element) && shows(element))) cut.push("overflows: " + name);
    }
    let around = element.parentElement;
    while (around && !scrolls(around)) around = around.parentElement;
    if (!around && element.getBoundingClientRect().right > view.innerWidth + 1) cut.push("leaves the page: " + name);
  }
  document.getElementById("seen").textContent =
    JSON.stringify([page.documentElement.scrollWidth, images, cut]).replace(/[<&]/g, " ");
}"#;

fn run_chromium(directory: &Path, page: &Path) -> std::process::Output {
    let profile = format!("--user-data-dir={}", directory.join("profile").display());
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
    for browser in ["chromium", "chromium-browser", "google-chrome"] {
        let command = Command::new(browser)
            .args(flags)
            .args(["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--dump-dom", &profile])
            .arg(format!("file://{}", page.display()))
            .output();
        match command {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => return other.unwrap(),
        }
    }
    panic!(
        "no chromium to open the report in: install one (Debian: apt-get install chromium), or set SHARPSWEEP_SKIP_BROWSER=1 to \
         skip this check"
    );
}
