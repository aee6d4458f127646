//! Function names without package paths and argument lists.

use std::sync::LazyLock;

use regex::Regex;

/// A pattern of this file; they are tested, so that the fallback, which matches nothing, is never used.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Go: everything up to the last path element of the package.
static GO: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(?-u:[\w\-.]+/)+([^.]+\..+)"));
/// Go: a module version inside the path.
static GO_VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(.*?)/v(?:[2-9]|[1-9][0-9]+)([./].*)$"));
/// Java: the package and the arguments.
static JAVA: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"^(?:[a-z](?-u:\w)*\.)*([A-Z](?-u:[\w$])*\.(?:<init>|[a-z](?-u:[\w$])*(?:\$(?-u:\d)+)?))(?:(?:\()|$)")
});
/// C++: the namespaces.
static CPP: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"^(?:[_a-zA-Z](?-u:\w)*::)+(_*[A-Z](?-u:\w)*::~?[_a-zA-Z](?-u:\w)*(?:<.*>)?)"));

/// A function's name as drawings show it.
pub(crate) fn short_name(name: &str) -> String {
    let name = name.strip_prefix("(anonymous namespace)::").unwrap_or(name);
    let name = match &*GO_VERSION {
        Some(version) => version.replace(name, "$1$2"),
        None => name.into(),
    };
    let found = [&GO, &JAVA, &CPP].into_iter().filter_map(|rule| rule.as_ref()).find_map(|rule| rule.captures(&name));
    found.and_then(|captures| captures.get(1)).map_or_else(|| name.to_string(), |part| part.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_go_java_and_cpp_names() {
        for (name, short) in [
            ("github.com/google/pprof/internal/graph.New", "graph.New"),
            ("github.com/blang/semver/v4.Make", "semver.Make"),
            ("java.util.concurrent.ThreadPool.<init>(int)", "ThreadPool.<init>"),
            ("(anonymous namespace)::Bar::Foo", "Bar::Foo"),
            ("foo::bar::Bar::Foo", "Bar::Foo"),
            ("main.main", "main.main"),
        ] {
            assert_eq!(short_name(name), short);
        }
    }
}
