//! The npm packages, packed and installed as people do: the command through npx, and the few functions for programs.
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::heap_apps::packages;
use crate::heaps::node;
use crate::session::{Ended, Session, ended, ended_within, kill, wait_for};

const APP: &str = "\
const { isRecorded, mark, snapshot } = require('brimline');
process.on('warning', warning => console.log('warned', warning.name));
(async () => {
  const marked = await mark('warm');
  const refused = await mark('');
  const name = await snapshot('after');
  const loaded = process.moduleLoadList.includes('NativeModule child_process');
  console.log(JSON.stringify({ isRecorded, marked, refused, name, loaded }));
})();
";
const MODULE: &str = "\
import { isRecorded, mark } from 'brimline';
console.log(JSON.stringify({ isRecorded, marked: await mark('warm') }));
";

fn npm(session: &Session, arguments: &[&str]) -> Ended {
    let mut command = session.plain("npm", arguments);
    command.args(["--offline", "--no-audit", "--no-fund"]).env("npm_config_cache", session.work().join("npm"));
    ended_within(&mut command, Duration::from_secs(120))
}

fn pack(session: &Session, node: &Path) -> [PathBuf; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node/pack.mjs");
    // A build with debug information is four times the size, and is compressed and unpacked here.
    let small = session.work().join("stripped");
    let stripped = session.plain("strip", ["-o", "stripped", env!("CARGO_BIN_EXE_brimline")]).status();
    let command = if stripped.is_ok_and(|status| status.success()) {
        small.as_os_str()
    } else {
        env!("CARGO_BIN_EXE_brimline").as_ref()
    };
    let arguments = [script.as_os_str(), command, "tarballs".as_ref()];
    let packed = ended_within(&mut session.plain(node, arguments), Duration::from_secs(120)).expect_code(0);
    let version = env!("CARGO_PKG_VERSION");
    let names = [format!("brimline-{version}.tgz"), format!("brimline-linux-x64-{version}.tgz")];
    assert_eq!(packed.stdout.lines().collect::<Vec<_>>(), names);
    names.map(|name| session.work().join("tarballs").join(name))
}

/// The last line of what a program printed.
fn answer(ended: &Ended) -> serde_json::Value {
    let line = ended.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {} {}", ended.stdout, ended.stderr))
}

#[test]
fn the_packages_give_the_command_and_its_functions() {
    let Some(node) = node() else { return };
    let packing = Session::new();
    let tarballs = pack(&packing, &node);
    let session = Session::new();
    session.write("package.json", "{\"private\":true}");
    let [main, platform] = tarballs.each_ref().map(|path| path.to_str().unwrap());
    npm(&session, &["install", main, platform]).expect_code(0);

    // The command is the packed one: its output and exit code are its own.
    let wrapper = session.work().join("node_modules/.bin/brimline");
    let npx = ended(&mut session.plain("npx", ["--offline", "brimline", "--version"])).expect_code(0);
    assert_eq!(npx.stdout, ended(&mut session.brimline(["--version"])).stdout);
    ended(session.plain(&wrapper, ["run", "--", "sh", "-c", "exit 7"]).env("BRIMLINE_STORE", session.store()))
        .expect_code(7);
    let mut running = session.plain(&wrapper, ["run", "--", "sh", "-c", "touch started; exec sleep 60"]);
    let mut running = running.env("BRIMLINE_STORE", session.store()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the program", || session.work().join("started").exists().then_some(()));
    kill(running.id(), libc::SIGTERM);
    assert_eq!(running.wait().unwrap().code(), Some(128 + libc::SIGTERM));

    // Not recorded: nothing happens, and nothing is loaded for it.
    let app = session.write("app.cjs", APP);
    let alone = answer(&ended(&mut session.plain(&node, [&app])).expect_code(0));
    assert_eq!(
        alone,
        serde_json::json!({ "isRecorded": false, "marked": false, "refused": false, "name": null, "loaded": false })
    );

    // Recorded: the mark is in the run; what cannot be done is a warning, and the program goes on.
    let recorded = ended(&mut session.run([&node, &app])).expect_code(0);
    let told = answer(&recorded);
    assert_eq!((&told["isRecorded"], &told["marked"], &told["refused"]), (&true.into(), &true.into(), &false.into()));
    assert!(recorded.stdout.contains("warned BrimlineWarning"), "{}", recorded.stdout);
    assert_eq!(told["name"], "after", "{}", recorded.stdout);
    let events = std::fs::read_to_string(session.run_folder().join("events.jsonl")).unwrap();
    assert!(events.contains("\"warm\""), "{events}");
    let module = session.write("app.mjs", MODULE);
    let from_module = Session::new();
    let mut run = from_module.run([&node, &module]);
    assert_eq!(answer(&ended(&mut run).expect_code(0)), serde_json::json!({ "isRecorded": true, "marked": true }));

    // TypeScript knows the functions, and what is wrong about a call.
    if let Some(packages) = packages() {
        let check = |text: &str| {
            session.write("app.ts", text);
            let compiler = packages.join("node_modules/typescript/bin/tsc");
            let options = ["--noEmit", "--strict", "--module", "node16", "--typeRoots", "none", "app.ts"];
            ended_within(session.plain(&node, [&compiler]).args(options), Duration::from_secs(60))
        };
        let good = "import { mark, snapshot } from 'brimline';\nexport async function f(): Promise<string | null> {\n  await mark('a');\n  return snapshot();\n}\n";
        let checked = check(good);
        assert!(checked.status.success(), "{}", checked.stdout);
        assert!(check(&good.replace("'a'", "1")).stdout.contains("TS2345"));
    }

    // Without the platform's package the command says what is missing.
    std::fs::remove_dir_all(session.work().join("node_modules/@brimline")).unwrap();
    let missing = ended(&mut session.plain(&wrapper, ["doctor"])).expect_code(125);
    assert!(missing.stderr.contains("expected the package @brimline/linux-x64, found none"), "{}", missing.stderr);
}
