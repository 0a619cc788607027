//! A file that imports nothing of the crate can be copied into another: each compiles alone. And
//! files that need only some others, such as `json.rs` and `value.rs`, compile beside these.

use std::process::{Command, id};
use std::{env, fs};

/// What `deflate.rs` needs, and itself.
const DEFLATE: [&str; 6] = [
    "ws/deflate/bits",
    "ws/deflate/block",
    "ws/deflate/deflate",
    "ws/deflate/huffman",
    "ws/deflate/inflate",
    "ws/deflate/matches",
];

#[test]
fn each_leaf_compiles_alone() {
    let leaves = [
        "ws/sha1",
        "ws/base64",
        "ws/frame",
        "ws/random",
        "ws/permessage",
        "ws/deflate/bits",
        "ws/deflate/huffman",
        "ws/deflate/matches",
        "net/backoff",
        "net/framing",
        "net/events",
        "socketio/packet",
        "socketio/rooms",
        "json",
        "redis/resp",
        "redis/url",
    ];
    let files = leaves.map(|leaf| {
        let name = format!("{}_alone", leaf.replace('/', "_"));
        (leaf, name, format!("src/{leaf}.rs"))
    });
    assert_compile(files);
}

#[test]
fn some_files_need_only_those_beside_them_that_their_heads_name() {
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let files = [
        ("json.rs and value.rs", "values", vec!["json", "value"]),
        ("msgpack.rs", "msgpack", vec!["json", "msgpack"]),
        ("socketio/args.rs", "args", vec!["json", "value", "socketio/args"]),
        ("ws/deflate/inflate.rs", "inflate", vec!["ws/deflate/bits", "ws/deflate/inflate"]),
        (
            "ws/deflate/prefix.rs",
            "prefix",
            vec!["ws/deflate/bits", "ws/deflate/inflate", "ws/deflate/prefix"],
        ),
        ("ws/deflate/deflate.rs", "deflate", DEFLATE.to_vec()),
        ("ws/deflate/gzip.rs", "gzip", [&DEFLATE[..], &["ws/deflate/gzip"]].concat()),
    ];
    let roots = files.map(|(what, name, modules)| {
        let declare = |path: &&str| {
            let module = path.rsplit('/').next().unwrap();
            format!("#[path = {:?}] pub mod {module};\n", format!("{src}/{path}.rs"))
        };
        let root = env::temp_dir().join(format!("{name}-{}.rs", id()));
        fs::write(&root, modules.iter().map(declare).collect::<String>()).unwrap();
        (what, name.to_string(), root.to_str().unwrap().to_string())
    });
    assert_compile(roots.clone());
    roots.iter().for_each(|(_, _, root)| fs::remove_file(root).unwrap());
}

/// Asserts that each root of a crate compiles: what it is, the crate's name, and the file.
fn assert_compile<const N: usize>(roots: [(&str, String, String); N]) {
    let rustc = env::var("RUSTC").unwrap_or("rustc".to_string());
    let compilers = roots.map(|(what, name, root)| {
        let output = env::temp_dir().join(format!("{name}-{}.rmeta", id()));
        let compiler = Command::new(&rustc)
            .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--cap-lints=allow"])
            .args(["--crate-name", &name, &root, "-o"])
            .arg(&output)
            .spawn()
            .expect("rustc starts");
        (what, compiler, output)
    });
    for (what, mut compiler, output) in compilers {
        let status = compiler.wait().unwrap();
        _ = fs::remove_file(output);
        assert!(status.success(), "{what} does not compile alone");
    }
}
