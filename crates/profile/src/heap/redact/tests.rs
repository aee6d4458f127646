use super::*;
use crate::heap::heapsnapshot::decode;
use crate::heap::{HeapGraph, NodeId};

/// Kind, name, target.
type PlantedEdge<'a> = (&'a str, &'a str, usize);

/// A snapshot of a few nodes with kind, name and edges, written as V8 does it.
fn snapshot(nodes: &[(&str, &str, &[PlantedEdge<'_>])]) -> String {
    const NODE_KINDS: [&str; 10] = [
        "object",
        "string",
        "number",
        "symbol",
        "regexp",
        "bigint",
        "concatenated string",
        "sliced string",
        "code",
        "native",
    ];
    const EDGE_KINDS: [&str; 4] = ["property", "element", "internal", "weak"];
    let mut strings: Vec<String> = Vec::new();
    let mut number = |text: &str| {
        strings.iter().position(|known| known == text).unwrap_or_else(|| {
            strings.push(text.to_owned());
            strings.len() - 1
        })
    };
    let kind = |kinds: &[&str], wanted: &str| kinds.iter().position(|kind| *kind == wanted).unwrap();
    let (mut rows, mut edge_rows) = (Vec::new(), Vec::new());
    for (at, (node_kind, name, edges)) in nodes.iter().enumerate() {
        rows.push(format!("{},{},{},{},{}", kind(&NODE_KINDS, node_kind), number(name), at * 2 + 1, 16, edges.len()));
    }
    for (edge_kind, name, to) in nodes.iter().flat_map(|node| node.2) {
        let name = if *edge_kind == "element" { name.parse().unwrap() } else { number(name) };
        edge_rows.push(format!("{},{name},{}", kind(&EDGE_KINDS, edge_kind), to * 5));
    }
    format!(
        "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],\n\
         \"node_types\":[{},\"string\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\"edge_types\":[{}]}},\
         \"node_count\":{},\"edge_count\":{}}},\n\"nodes\":[{}\n],\n\"edges\":[{}\n],\n\"locations\":[],\n\"strings\":{}}}\n",
        serde_json::json!(NODE_KINDS),
        serde_json::json!(EDGE_KINDS),
        rows.len(),
        edge_rows.len(),
        rows.join("\n,"),
        edge_rows.join("\n,"),
        serde_json::json!(strings),
    )
}

fn redacted(source: &str) -> String {
    let mut copy = Vec::new();
    redact(&mut source.as_bytes(), &mut copy).unwrap();
    String::from_utf8(copy).unwrap()
}

fn strings(copy: &str) -> Vec<String> {
    let decoded = decode(&mut copy.as_bytes()).unwrap();
    assert_eq!(decoded.damage, None);
    decoded.graph.strings().iter().map(str::to_owned).collect()
}

/// The rule told for a whole graph, which the one pass must agree with.
fn kept(graph: &HeapGraph) -> Vec<bool> {
    let mut kept = vec![false; graph.strings().len()];
    let text = |name: u32| graph.strings().get(name);
    for node in graph.nodes() {
        use NodeKind as Kind;
        kept[graph.name_index(node) as usize] |= !matches!(
            graph.kind(node),
            Kind::String
                | Kind::ConsString
                | Kind::SlicedString
                | Kind::Number
                | Kind::Symbol
                | Kind::BigInt
                | Kind::RegExp
        );
        let is_dictionary = is_dictionary(graph, node);
        for edge in graph.edges(node).filter(|edge| !edge.kind.is_numbered()) {
            let is_key = graph.kind(node) == Kind::Object && edge.kind == EdgeKind::Property;
            kept[edge.name as usize] |= !is_key || !is_dictionary && text::is_identifier(text(edge.name));
        }
    }
    for function in &graph.traces().functions {
        kept[function.name as usize] = true;
        kept[function.script_name as usize] = true;
    }
    (0..).zip(kept).map(|(name, kept)| kept || text::is_public(text(name))).collect()
}

fn expected(graph: &HeapGraph) -> Vec<String> {
    let names = graph.strings().iter().zip(kept(graph));
    names.map(|(text, kept)| if kept { text::name(text).into_owned() } else { String::new() }).collect()
}

fn is_dictionary(graph: &HeapGraph, node: NodeId) -> bool {
    let keys: Vec<_> = graph.edges(node).filter(|edge| edge.kind == EdgeKind::Property).collect();
    graph.kind(node) == NodeKind::Object
        && ((keys.len() > 32 && graph.name(node) == "Object")
            || keys
                .iter()
                .map(|key| graph.strings().get(key.name))
                .any(|key| !text::is_identifier(key) && !key.starts_with("<symbol ")))
}

#[test]
fn agrees_with_the_rule_for_a_whole_graph() {
    for name in ["node", "chrome", "tracked"] {
        let path = format!("{}/../analysis/tests/heap/{name}.heapsnapshot", env!("CARGO_MANIFEST_DIR"));
        #[expect(clippy::disallowed_methods, reason = "a fixture of another crate")]
        let source = std::fs::read_to_string(path).unwrap();
        let copy = redacted(&source);
        let graph = decode(&mut source.as_bytes()).unwrap().graph;
        assert_eq!(strings(&copy), expected(&graph), "{name}");
        let end = source.find("\"strings\":").unwrap();
        assert_eq!(copy[..end], source[..end], "{name}");

        // Pieces of any size give the same bytes.
        let (mut random, mut at) = (Random(3), 0);
        let mut writer = RedactingWriter::new(Vec::new());
        while at < source.len() {
            let next = source.len().min(at + random.below(40_000));
            writer.write_all(&source.as_bytes()[at..next]).unwrap();
            if random.below(2) == 1 {
                writer.flush().unwrap();
            }
            at = next;
        }
        let (outcome, bytes) = writer.finish();
        outcome.unwrap();
        assert!(bytes == copy.as_bytes(), "{name} in pieces");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn agrees_with_the_rule_on_random_graphs() {
    let mut names: Vec<String> = (0..400).map(|number| format!("name{number}")).collect();
    names.extend(["Object", "true", "an odd key", "x-y", "Session", "<symbol a b>", "ghp_0", ""].map(str::to_owned));
    let mut random = Random(7);
    let (mut emptied, mut undecided) = (0, 0);
    for _ in 0..300 {
        let count = 1 + random.below(12);
        let edges: Vec<Vec<_>> = (0..count)
            .map(|_| {
                let few = random.below(3) > 0;
                (0..random.below(if few { 6 } else { 50 }))
                    .map(|number| {
                        let kind = ["property", "property", "property", "element", "internal"][random.below(5)];
                        // Most keys are identifiers, else every object were a dictionary.
                        let pick = if random.below(25) == 0 {
                            400 + random.below(names.len() - 400)
                        } else {
                            random.below(401)
                        };
                        let name = if kind == "element" { number.to_string() } else { names[pick].clone() };
                        (kind, name, random.below(count))
                    })
                    .collect()
            })
            .collect();
        let edges: Vec<Vec<_>> = edges
            .iter()
            .map(|edges| edges.iter().map(|(kind, name, to)| (*kind, name.as_str(), *to)).collect())
            .collect();
        let nodes: Vec<_> = edges
            .iter()
            .map(|edges| {
                let kind = ["object", "object", "string", "native"][random.below(4)];
                let name = if random.below(2) == 0 { "Object" } else { names[random.below(names.len())].as_str() };
                (kind, name, edges.as_slice())
            })
            .collect();
        let source = snapshot(&nodes);
        let graph = decode(&mut source.as_bytes()).unwrap().graph;
        let expected: Vec<String> = expected(&graph);
        emptied += expected.iter().filter(|text| text.is_empty()).count();
        undecided += expected.iter().filter(|text| text.starts_with("name")).count();
        assert_eq!(strings(&redacted(&source)), expected, "{source}");
    }
    assert!(emptied > 1000 && undecided > 1000, "{emptied}, {undecided}");
}

#[test]
fn a_cut_snapshot_gives_a_cut_copy_without_values() {
    let path = format!("{}/../analysis/tests/heap/node.heapsnapshot", env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a fixture of another crate")]
    let source = std::fs::read_to_string(path).unwrap();
    let whole = strings(&redacted(&source));
    let strings_at = source.find("\"strings\":").unwrap();
    for part in 0..200 {
        let cut = source.len() * part / 200;
        let mut copy = Vec::new();
        let error = redact(&mut &source.as_bytes()[..cut], &mut copy).unwrap_err();
        assert!(matches!(error, RedactError::Broken { cut: true, .. }), "{error}");
        let Ok(expected) = decode(&mut &source.as_bytes()[..cut]) else { continue };
        let found = decode(&mut &copy[..]).unwrap();
        assert_eq!(
            (found.graph.node_count(), found.graph.edge_count()),
            (expected.graph.node_count(), expected.graph.edge_count())
        );
        if cut < strings_at {
            assert!(copy == source.as_bytes()[..copy.len()]);
        }
        for (text, allowed) in found.graph.strings().iter().zip(&whole) {
            assert!(text.is_empty() || text == allowed, "{text:?} stays at {cut}");
        }
    }
}

#[test]
fn planted_secrets_of_each_kind_go() {
    let many: Vec<String> = (0..40).map(|number| format!("customer{number}")).collect();
    let customers: Vec<_> = many.iter().map(|name| ("property", name.as_str(), 1)).collect();
    let source = snapshot(&[
        (
            "object",
            "Session",
            &[
                ("property", "user", 1),
                ("internal", "map", 2),
                ("element", "17", 3),
                ("property", "<symbol kState>", 4),
                ("property", "get expires", 5),
                ("property", "__proto__", 6),
            ],
        ),
        ("string", "the password", &[]),
        ("number", "4111111111111111", &[("internal", "value", 1)]),
        ("symbol", "symbol of alice", &[]),
        ("regexp", "^alice@example[.]org$", &[]),
        ("bigint", "123456789012345678901", &[]),
        ("concatenated string", "joined secret", &[]),
        ("sliced string", "sliced secret", &[]),
        ("string", "function f() { return 'source secret' }", &[]),
        // Keys that no program would write down make the others of the same object data.
        ("object", "Object", &[("property", "x-api-key", 1), ("property", "bob", 1)]),
        ("object", "Registry", &[("property", "carol@example.org", 1)]),
        ("object", "Object", &[("property", "redis:dave", 1)]),
        ("object", "Object", &[("property", "<symbol token of erin>", 1), ("property", "besideSymbol", 1)]),
        ("object", "Object", &customers),
        // A name elsewhere that is data here.
        ("object", "Object", &[("property", "user", 1), ("property", "frank smith", 1)]),
        ("object", "Object", &[("property", "ghp_abcdef", 1)]),
        ("code", "/srv/uploads/glpat-Zx81Qw27Er63Ty94/app.js", &[]),
        ("code", "https://grace:pw@cdn.example.org:8080/a/b.js?sig=deadbeef#frag", &[]),
        ("string", "/srv/node_modules/mime-db/db.json", &[]),
        ("string", "/srv/node_modules/ of nina.js", &[]),
        ("string", "/srv/uploads/olivia.json", &[]),
        ("code", "data:text/javascript,const%20heidi=1", &[]),
        ("native", "Detached <div id=\"ivan\" class=\"x\">", &[]),
        ("native", "system / NativeContext / https://judy@example.org/?token=1", &[]),
        (
            "object",
            "WeakMap",
            &[(
                "internal",
                "3 / part of key (Session @1) -> value (mallory) -> value ( @5) pair @3) pair in WeakMap (table @7)",
                1,
            )],
        ),
    ]);
    let copy = redacted(&source);
    for secret in [
        "password",
        "4111111111111111",
        "alice",
        "123456789012345678901",
        "joined",
        "sliced secret",
        "source secret",
        "x-api-key",
        "bob",
        "carol",
        "dave",
        "erin",
        "customer17",
        "frank",
        "ghp_",
        "glpat",
        "grace",
        "deadbeef",
        "frag",
        "heidi",
        "ivan",
        "judy",
        "token",
        "mallory",
        "nina",
        "olivia",
    ] {
        let data = copy.find("\"strings\":").unwrap();
        assert!(source.contains(secret), "{secret} was not planted");
        assert!(!copy[data..].contains(secret), "{secret} stays in {}", &copy[data..]);
    }
    for name in [
        "Session",
        "user",
        "map",
        "<symbol kState>",
        "get expires",
        "__proto__",
        "Registry",
        "https://cdn.example.org:8080/a/b.js",
        "data:",
        "Detached <div>",
        "besideSymbol",
        "/srv/node_modules/mime-db/db.json",
        "system / NativeContext / https://example.org/",
        "3 / part of key (Session @1) -> value ( @3) pair in WeakMap (table @7)",
    ] {
        assert!(strings(&copy).iter().any(|text| text == name), "no {name} in {:?}", strings(&copy));
    }
}

#[test]
fn keys_of_another_class_stay_however_many() {
    let names: Vec<String> = (0..40).map(|number| format!("field{number}")).collect();
    let fields: Vec<_> = names.iter().map(|name| ("property", name.as_str(), 1)).collect();
    let source = snapshot(&[("object", "Server", &fields), ("string", "secret", &[])]);
    let found = strings(&redacted(&source));
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
    assert!(!found.contains(&"secret".to_owned()));
}

#[test]
fn gives_up_undecided_keys_rather_than_memory() {
    // Whether the long keys are a dictionary's is told by the last of them.
    let names: Vec<String> = (0..60).map(|number| format!("k{number}{}", "x".repeat(1 << 20))).collect();
    let mut keys: Vec<_> = names.iter().map(|name| ("property", name.as_str(), 1)).collect();
    keys.push(("internal", "kept name", 1));
    let source = snapshot(&[
        ("object", "Session", &[("property", "user", 1)]),
        ("string", "secret", &[]),
        ("object", "Server", &keys),
        ("object", "Session", &[("property", "later", 1)]),
    ]);
    let found = strings(&redacted(&source));
    assert!(!found.contains(&names[0]) && !found.contains(&"secret".to_owned()));
    // Those of others stay.
    assert!(
        ["Session", "Server", "kept name", "user", "later"].iter().all(|name| found.iter().any(|text| text == name))
    );
}

#[test]
fn keys_of_a_large_dictionary_do_not_wait() {
    let names: Vec<String> = (0..60).map(|number| format!("k{number}{}", "x".repeat(1 << 20))).collect();
    let keys: Vec<_> = names.iter().map(|name| ("property", name.as_str(), 1)).collect();
    let source = snapshot(&[
        ("object", "Object", &keys),
        ("string", "secret", &[]),
        ("object", "Session", &[("property", "user", 1)]),
    ]);
    let mut names = Names::default();
    names.node(NodeKind::Object, 0, 40);
    (1..=40).for_each(|key| names.edge(EdgeKind::Property, key));
    let mut out = Vec::new();
    let mut waiting = names.into_strings(&mut out);
    waiting.push("Object").unwrap();
    waiting.push("customer").unwrap();
    assert_eq!(waiting.waiting(), 0);
    let found = strings(&redacted(&source));
    assert!(found.contains(&"user".to_owned()) && found.iter().all(|text| text.len() < 1000));
}

#[test]
fn refuses_what_it_cannot_redact() {
    let source = snapshot(&[("object", "Session", &[("property", "user", 0)])]);
    let swapped = source.replace("\"locations\":[]", "\"notes\":[\"secret\"]");
    let early = source.replace("\"nodes\"", "\"strings\":[],\"nodes\"");
    for (source, wanted) in [
        (swapped.as_str(), "in section `notes`: expected numbers alone in a section"),
        (early.as_str(), "in section `strings`: expected sections in the order in which V8 writes them"),
        ("[]", "in section ``: expected `{`, found `[` at byte 0"),
        ("{\"snapshot\":{}", "in section `snapshot`: expected the `meta` of a V8 heap snapshot"),
    ] {
        let mut copy = Vec::new();
        let error = redact(&mut source.as_bytes(), &mut copy).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!String::from_utf8(copy).unwrap().contains("secret"));
    }
}

#[test]
fn says_when_the_writer_behind_it_is_full() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let source = snapshot(&[("object", "Session", &[("property", "user", 0)])]);
    let mut writer = RedactingWriter::new(Full);
    writer.write_all(source.as_bytes()).unwrap();
    let (outcome, Full) = writer.finish();
    assert!(matches!(outcome, Err(RedactError::Copy(_))), "{outcome:?}");
}
