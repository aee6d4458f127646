use super::*;
use crate::heap::{NodeId, NodeKind};

const META: &str = r#""snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count","detachedness"],
"node_types":[["hidden","object","synthetic","string"],"string","number"],"edge_fields":["type","name_or_index","to_node"],
"edge_types":[["element","property","weak"],"string_or_number","node"],"location_fields":["object_index","script_id","line","column"],
"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"]},"node_count":3,"edge_count":3,"extra_native_bytes":5}"#;
const NODES: &str = r#""nodes":[2,1,1,0,2,0,
1,2,3,16,1,0,
3,3,5,5000000000,0,2]"#;
const EDGES: &str = r#""edges":[0,1,6,1,3,12,0,4294967290,12]"#;
const REST: &str = r#""samples":[],"locations":[6,7,12,3],"trace_function_infos":[9,2,3,4,5,6],"trace_tree":[1,0,0,0,[2,0,4,64,[]]],
"strings":["<dummy>","","Foo \u00e9","text"]"#;

fn read(text: &str) -> Result<Decoded, DecodeError> {
    decode(&mut text.as_bytes())
}

fn whole() -> String {
    format!("{{{META},\n{NODES},\n{EDGES},\n{REST}}}\n")
}

fn check(graph: &HeapGraph) {
    assert_eq!((graph.node_count(), graph.edge_count()), (3, 3));
    assert_eq!((graph.kind(NodeId(1)), graph.name(NodeId(1))), (NodeKind::Object, "Foo é"));
    assert_eq!((graph.self_size(NodeId(2)), graph.detachedness(NodeId(2))), (5_000_000_000, Some(2)));
    let last = graph.edges(NodeId(1)).next().unwrap();
    assert_eq!((last.kind, last.name, last.to), (EdgeKind::Element, 4_294_967_290, NodeId(2)));
    assert_eq!(graph.location(NodeId(1)).map(|place| (place.script_id, place.line)), Some((7, 12)));
    assert_eq!(graph.traces().stack(2).len(), 2);
    assert_eq!(graph.extra_native_bytes(), 5);
}

#[test]
fn reads_a_snapshot_in_any_order_of_sections() {
    for text in [whole(), format!("{{{EDGES},{NODES},{REST},{META}}}"), format!("{{{NODES},{META},{EDGES},{REST}}}")] {
        let decoded = read(&text).unwrap();
        assert_eq!(decoded.damage, None);
        check(&decoded.graph);
    }
}

#[test]
fn reads_gzip_and_zstd() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(whole().as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    check(&decode(&mut &gzip[..]).unwrap().graph);
    let zstd = zstd::encode_all(whole().as_bytes(), 1).unwrap();
    check(&decode(&mut &zstd[..]).unwrap().graph);
    let cut = decode(&mut &gzip[..gzip.len() - 20]);
    assert!(cut.is_err() || cut.unwrap().damage.is_some());
}

#[test]
fn decodes_every_truncation() {
    let text = whole();
    for end in 0..text.trim_end().len() {
        if let Ok(decoded) = read(text.get(..end).unwrap_or_default()) {
            let damage = decoded.damage.expect("a cut file is said to be cut");
            assert!(damage.cut && damage.nodes.0 <= 3, "{damage}");
            for node in decoded.graph.nodes() {
                assert!(decoded.graph.edges(node).all(|edge| edge.to.index() < decoded.graph.node_count()));
            }
        }
    }
    let cut = read(&text[..text.find("3,3,5,5").unwrap() + 4]).unwrap();
    let damage = cut.damage.unwrap();
    assert_eq!((damage.section.as_str(), damage.nodes), ("nodes", (2, 3)));
    assert!(damage.to_string().contains("killed while writing"));
}

#[test]
fn drops_edges_to_nowhere_and_says_so() {
    let decoded = read(&whole().replace("1,3,12,0", "1,3,1200,0")).unwrap();
    assert_eq!(decoded.damage.map(|damage| damage.dropped_edges), Some(1));
    assert_eq!(decoded.graph.edge_count(), 2);
    assert_eq!(decoded.graph.edges(NodeId(1)).next().unwrap().name, 4_294_967_290);
}

#[test]
fn names_what_is_missing() {
    let error = |text: &str| read(text).unwrap_err().to_string();
    assert_eq!(error("[]"), "expected a V8 heap snapshot, found expected `{`, found `[` at byte 0");
    assert_eq!(error("{}"), "expected a V8 heap snapshot, found no `snapshot` section");
    assert_eq!(
        error(&whole().replace("\"id\"", "\"ident\"")),
        "expected `node_fields.id` in the snapshot's `meta`, found none"
    );
}

#[test]
fn survives_mutants() {
    let text = whole();
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..20_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=seed % 3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = (seed >> 8) as usize % bytes.len();
            match seed % 4 {
                0 => bytes[at] = b"0123456789,[]{}\":\\"[(seed >> 40) as usize % 18],
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"9,[]{\""[(seed >> 40) as usize % 6]),
                _ => bytes[at] = (seed >> 40) as u8,
            }
        }
        if let Ok(decoded) = decode(&mut &bytes[..]) {
            for node in decoded.graph.nodes() {
                assert!(decoded.graph.edges(node).all(|edge| edge.to.index() < decoded.graph.node_count()));
            }
        }
    }
}
