//! A file that imports nothing of the crate can be copied into another: each compiles alone.

use std::process::{Command, id};
use std::{env, fs};

#[test]
fn each_leaf_compiles_alone() {
    let rustc = env::var("RUSTC").unwrap_or("rustc".to_string());
    let leaves = [
        "ws/sha1",
        "ws/base64",
        "ws/frame",
        "ws/random",
        "net/backoff",
        "net/framing",
        "net/events",
        "socketio/packet",
        "socketio/rooms",
        "json",
    ];
    let compilers = leaves.map(|leaf| {
        let name = format!("{}_alone", leaf.replace('/', "_"));
        let output = env::temp_dir().join(format!("{name}-{}.rmeta", id()));
        let compiler = Command::new(&rustc)
            .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--cap-lints=allow"])
            .args(["--crate-name", &name, &format!("src/{leaf}.rs"), "-o"])
            .arg(&output)
            .spawn()
            .expect("rustc starts");
        (leaf, compiler, output)
    });
    for (leaf, mut compiler, output) in compilers {
        let status = compiler.wait().unwrap();
        _ = fs::remove_file(output);
        assert!(status.success(), "src/{leaf}.rs does not compile alone");
    }
}
