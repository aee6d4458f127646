//! What to add to a Go program that cannot be captured.

/// One sentence.
pub(crate) fn how_to_add() -> &'static str {
    "add `import _ \"net/http/pprof\"` to a program that serves HTTP by the default mux (else `http.ListenAndServe(\"localhost:6060\", nil)` beside it), \
     or `import _ \"github.com/brimline/brimline/go/brimline\"` to any program and start it by `brimline run`; `--pprof URL` names an endpoint that was not found"
}
