//! `upres-host mos`, run from outside: a page is made, raters that we play rate it, and their files are read.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

fn mos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upres-host")).arg("mos").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of two sets of pictures, and a page made of them.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for (set, count) in [("garden", 3u32), ("harbour", 4)] {
            std::fs::create_dir(folder.path().join(set)).unwrap();
            for n in 0..count {
                let level = |x: u32, y: u32| ((x * x / 7 + y * (3 + n) + x * y / 5 + 40 * (x / 9 % 2)) % 256) as u8;
                let pixel = |x, y| Rgb([level(x, y), level(y, x), level(x + y, count)]);
                let file = folder.path().join(set).join(format!("plank{n}.png"));
                RgbImage::from_fn(80, 64, pixel).save(file).unwrap();
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    fn make(&self, page: &str, options: &[&str]) -> Output {
        let (garden, harbour, page) = (self.text("garden"), self.text("harbour"), self.text(page));
        let usual = ["make", "bicubic", "lanczos", "--on", &garden, "--on", &harbour, "--out", &page];
        mos(&[&usual[..], options].concat())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// What the page's script reads.
    fn data(&self, page: &str) -> Value {
        let html = std::fs::read_to_string(self.path(page)).unwrap();
        let data = html.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        serde_json::from_str(data).unwrap()
    }

    /// The file of a rater who gives each method a rating of its own.
    fn rate(&self, key: &Value, rater: u32, rating: impl Fn(&str, &str) -> u32) -> String {
        let items = key["items"].as_object().unwrap();
        let mark = |entry: &Value| rating(entry["method"].as_str().unwrap(), entry["picture"].as_str().unwrap());
        let ratings: serde_json::Map<_, _> =
            items.iter().map(|(code, entry)| (code.clone(), mark(entry).into())).collect();
        let file = json!({"format": "upres mos ratings 1", "page": key["page"], "rater": rater, "ratings": ratings});
        self.write(&format!("ratings-{rater:02}.json"), &file)
    }

    fn write(&self, name: &str, file: &Value) -> String {
        std::fs::write(self.path(name), file.to_string()).unwrap();
        self.text(name)
    }

    fn read(&self, arguments: &[&str]) -> Output {
        let key = self.text("test.key.json");
        mos(&[&["read", "--key", &key][..], arguments].concat())
    }
}

#[test]
fn the_page_is_blind_and_whole() {
    let desk = Desk::new();
    let output = desk.make("test.html", &["--calibration", "2", "--raters", "5"]);
    assert!(output.status.success(), "{}", said(&output));
    let (data, key) = (desk.data("test.html"), desk.json("test.key.json"));
    // Seven pictures, two of which calibrate; nearest, bicubic, lanczos and the original of the others.
    assert_eq!(key["methods"], json!(["nearest", "bicubic", "lanczos", "original"]));
    assert_eq!((data["items"].as_array().unwrap().len(), data["calibration"].as_array().unwrap().len()), (20, 2));
    assert_eq!((&data["page"], data["orders"].as_array().unwrap().len()), (&key["page"], 5));
    let mut orders: Vec<Vec<u64>> = serde_json::from_value(data["orders"].clone()).unwrap();
    assert!((1..5).all(|rater| orders[rater] != orders[0]));
    for order in &mut orders {
        order.sort_unstable();
    }
    assert!(orders.iter().all(|order| order.iter().copied().eq(0..20)));
    // Without the pictures themselves, whose letters may spell anything.
    let html = std::fs::read_to_string(desk.path("test.html")).unwrap();
    let words = html.split('"').filter(|part| part.len() < 500).collect::<Vec<_>>().join("\"").to_lowercase();
    for name in ["nearest", "bicubic", "lanczos", "original", "garden", "harbour", "plank", "http:", "https:"] {
        assert!(!words.contains(name), "{name}");
    }
    for (code, entry) in key["items"].as_object().unwrap() {
        let item = data["items"].as_array().unwrap().iter().find(|item| item[0] == code.as_str()).unwrap();
        assert!(item[1].as_str().unwrap().starts_with("iVBORw0KGgo"), "{entry} is a PNG");
    }
    assert!(said(&output).contains("5 pictures in 4 versions, 5 raters"), "{}", said(&output));
}

#[test]
fn one_command_makes_one_page() {
    let desk = Desk::new();
    let make = |page: &str, options: &[&str]| {
        assert!(desk.make(page, options).status.success());
        std::fs::read(desk.path(page)).unwrap()
    };
    let first = make("a.html", &["--crop", "32"]);
    assert_eq!(make("b.html", &["--crop", "32"]), first);
    assert_ne!(make("c.html", &["--crop", "32", "--seed", "2"]), first);
    assert!(make("d.html", &[]).len() > first.len());
}

#[test]
fn the_options_choose_pictures() {
    let desk = Desk::new();
    let garden = desk.text("garden");
    assert!(desk.make("a.html", &["--pictures", "1"]).status.success());
    assert_eq!(desk.json("a.key.json")["items"].as_object().unwrap().len(), 8);
    let output = desk.make("b.html", &["--calibrate", &garden]);
    assert!(!output.status.success() && said(&output).contains("every picture of 'garden' is one that is rated"));
    let output = desk.make("c.html", &["--calibration", "6"]);
    assert!(!output.status.success() && said(&output).contains("--calibration"), "{}", said(&output));
    let output = desk.make("d.html", &["small-x2", "--scale", "4"]);
    assert!(!output.status.success() && said(&output).contains("not 4 times"), "{}", said(&output));
}

#[test]
fn a_broken_picture_is_named_and_the_page_is_made_of_the_rest() {
    let desk = Desk::new();
    std::fs::write(desk.path("garden/broken.png"), b"not a picture").unwrap();
    let harbour = desk.text("harbour");
    let garden = desk.text("garden");
    let page = desk.text("test.html");
    let output = mos(&["make", "bicubic", "--on", &garden, "--calibrate", &harbour, "--out", &page]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("garden / broken is left out"), "{}", said(&output));
    assert_eq!(desk.json("test.key.json")["items"].as_object().unwrap().len(), 9);
}

#[test]
fn ratings_are_summed_up_by_set_and_method() {
    let desk = Desk::new();
    assert!(desk.make("test.html", &["--calibration", "2", "--raters", "5"]).status.success());
    let key = desk.json("test.key.json");
    let usual = |method: &str| match method {
        "nearest" => 1,
        "bicubic" => 2,
        "lanczos" => 3,
        _ => 5,
    };
    let one = desk.rate(&key, 1, |method, _| usual(method));
    let two = desk.rate(&key, 2, |method, _| if method == "lanczos" { 4 } else { usual(method) });
    let report = desk.text("report.html");
    let output = desk.read(&[&one, &two, "--json", "--out", &report]);
    assert!(output.status.success(), "{}", said(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["raters"], &found["refused"]), (&json!([1, 2]), &json!([])));
    let mut ratings = 0;
    for set in found["sets"].as_array().unwrap() {
        let methods = set["methods"].as_array().unwrap();
        let means: Vec<f64> = methods.iter().map(|method| method["mean"].as_f64().unwrap()).collect();
        assert_eq!(means, [1.0, 2.0, 3.5, 5.0]);
        assert_eq!(methods[2]["shares"], json!([0.0, 0.0, 0.5, 0.5, 0.0]));
        // Half of n ratings are 3 and half are 4: the interval is 3.5 ± t / (2 √(n − 1)).
        let n = methods[2]["n"].as_f64().unwrap();
        let low = methods[2]["interval"][0].as_f64().unwrap();
        let t = upres::host::mos::student_quantile(0.975, n as u64 - 1);
        assert!((low - (3.5 - 0.5 * t / (n - 1.0).sqrt())).abs() < 1e-12);
        ratings += n as usize;
    }
    assert_eq!(ratings, 10, "two raters saw five pictures by lanczos");
    let page = std::fs::read_to_string(report).unwrap();
    assert_eq!((page.matches("<svg").count(), page.contains("<script") || page.contains("src=")), (2, false));
    let table = String::from_utf8(desk.read(&[&one, &two]).stdout).unwrap();
    assert!(table.contains("lanczos") && table.contains("3.50") && table.contains("Student's t"), "{table}");
}

#[test]
fn bad_files_are_refused_by_name_and_the_rest_is_read() {
    let desk = Desk::new();
    assert!(desk.make("test.html", &["--raters", "5"]).status.success());
    assert!(desk.make("other.html", &["--raters", "5", "--seed", "2"]).status.success());
    let (key, other) = (desk.json("test.key.json"), desk.json("other.key.json"));
    let foreign = desk.rate(&other, 4, |_, _| 3);
    let good = desk.rate(&key, 1, |method, _| if method == "nearest" { 1 } else { 4 });
    let changed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut file = desk.json("ratings-01.json");
        file["rater"] = json!(3);
        change(&mut file);
        desk.write(name, &file)
    };
    let twice = changed("twice.json", &|file| file["rater"] = json!(1));
    let unknown = changed("unknown.json", &|file| file["ratings"]["0badc0de00"] = json!(3));
    let beyond = changed("beyond.json", &|file| {
        file["ratings"].as_object_mut().unwrap().values_mut().for_each(|v| *v = 6.into());
    });
    std::fs::write(desk.path("half.json"), &std::fs::read(desk.path("ratings-01.json")).unwrap()[..99]).unwrap();
    let half = desk.text("half.json");
    let output = desk.read(&[&good, &foreign, &twice, &unknown, &beyond, &half, "/no/such/file.json"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (file, words) in [
        ("ratings-04.json", "another seed"),
        ("twice.json", "rater 1 was read from"),
        ("unknown.json", "the code '0badc0de00' is unknown"),
        ("beyond.json", "is 6, not a whole number from 1 to 5"),
        ("half.json", "not whole JSON"),
        ("file.json", "cannot read"),
    ] {
        assert!(said.lines().any(|line| line.contains(file) && line.contains(words)), "{file}: {said}");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("1 rater."), "{table}");
    let output = desk.read(&[&foreign]);
    assert!(!output.status.success() && output.stdout.is_empty());
    let page = desk.text("test.html");
    let output = mos(&["read", "--key", &page, &good]);
    assert!(!output.status.success() && self::said(&output).contains("no key of a page"), "{}", self::said(&output));
}
