//! Legacy profiles against the dumps that come with them.

use brimline_pprof::View;
use brimline_pprof::cli::Zone;

use crate::goldens::data;

#[test]
fn agree_with_the_dumps_of_the_reference() {
    let Some(folder) = data() else { return };
    let mut compared = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder.join("legacy")).unwrap() {
        let path = entry.unwrap().path();
        let dump = path.with_file_name(format!("{}.string", path.file_name().unwrap().to_string_lossy()));
        if !dump.exists() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut found = Vec::new();
        match View::read(&bytes) {
            Ok(view) => view.dump(&Zone::default(), &mut found).unwrap(),
            Err(error) => found = error.to_string().into_bytes(),
        }
        let expected = std::fs::read(&dump).unwrap();
        compared += 1;
        if found != expected {
            let (found, expected) = (String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected));
            let place = found.lines().zip(expected.lines()).position(|(one, other)| one != other).unwrap_or(0);
            let line = |text: &str| text.lines().nth(place).unwrap_or_default().to_owned();
            wrong.push(format!("{}:{}: {} != {}", path.display(), place + 1, line(&found), line(&expected)));
        }
    }
    assert!(compared >= 12, "{compared} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
