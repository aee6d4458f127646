//! The page of `-http`: the flame graph, then the other reports folded away below it.

use super::command::{FLAME, find};
use super::config::Config;
use super::{Host, RunError, report};
use crate::model::View;

/// What stands below the flame graph.
const REPORTS: [(&str, &str); 4] =
    [("top", "Top"), ("svg", "Graph"), ("tree", "Callers and callees"), ("tags", "Labels")];

/// One self-contained HTML page.
pub(super) fn generate(view: &View<'_>, config: &Config, host: &mut dyn Host) -> Result<Vec<u8>, RunError> {
    let page = Config { output: "page.html".into(), ..config.clone() };
    let flame = report::generate(&mut view.clone(), &FLAME, None, &page, host)?;
    let mut below = String::new();
    for (name, title) in REPORTS {
        let Some(kind) = find(name) else { continue };
        let bytes = report::generate(&mut view.clone(), kind, None, config, host)?;
        below.push_str(&folded(title, &String::from_utf8_lossy(&bytes)));
    }
    Ok(with_sections(&String::from_utf8_lossy(&flame), &below).into_bytes())
}

/// A drawing as it is, any other text escaped.
fn folded(title: &str, text: &str) -> String {
    let content = match text.find("<svg ").filter(|_| text.starts_with("<?xml ")) {
        Some(start) => text[start..].to_owned(),
        None => format!("<pre>{}</pre>", text.replace('&', "&amp;").replace('<', "&lt;")),
    };
    format!(
        "<details style=\"margin: 8px; overflow-x: auto\"><summary style=\"font: 14px sans-serif\">{title}</summary>\n{content}</details>\n"
    )
}

/// The sections go last, since the flame graph's script takes the first drawing of the page.
fn with_sections(page: &str, sections: &str) -> String {
    match page.rfind("</body>") {
        Some(end) => format!("{}{sections}{}", &page[..end], &page[end..]),
        None => format!("{page}{sections}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_end_the_page_and_names_are_no_markup() {
        let table = folded("Top", "operator<< & </body>");
        assert!(table.contains("<pre>operator&lt;&lt; &amp; &lt;/body></pre>"), "{table}");
        assert!(
            folded("Graph", "<?xml version=\"1.0\"?>\n<svg a=\"b\"></svg>").contains("\n<svg a=\"b\"></svg></details>")
        );
        assert_eq!(with_sections("<body>F</body></html>", "S"), "<body>FS</body></html>");
    }
}
