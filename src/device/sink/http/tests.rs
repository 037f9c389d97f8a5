//! Requests answered without a connection.

use super::answer::{Content, Reply};
use super::crowd::View;
use super::encoded::Encoded;
use super::options::HttpOptions;
use super::route;
use super::show::HttpSink;
use super::site::Site;
use crate::device::clock;
use crate::device::desk::{Desk, Wish};
use crate::device::sink::{Audience, Sink};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use std::sync::Arc;
use tokio::sync::watch;

const TOKEN: &str = "sixteen letters!";
const HOST: (&str, &str) = ("host", "localhost:8080");
const BEARER: (&str, &str) = ("authorization", "Bearer sixteen letters!");
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn site(token: Option<&str>, clients: usize) -> Arc<Site> {
    let address = "127.0.0.1:8080".parse().unwrap_or_else(|e| panic!("{e}"));
    let options = HttpOptions { token: token.map(str::to_owned), clients, ..HttpOptions::new(address) };
    let desk = Arc::new(Desk::default());
    desk.write(|report| {
        report.models = vec!["small".to_owned(), "la\"rge\\\n".to_owned()];
        report.source = "rtsp://me:secret@camera/".to_owned();
        report.running = "la\"rge\\\n".to_owned();
        report.snapshots = true;
    });
    let (closing, closes) = watch::channel(false);
    // Its end would be the server's.
    std::mem::forget(closing);
    Arc::new(Site::new(options, desk, Audience::default(), closes))
}

async fn ask(site: &Arc<Site>, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap_or_else(|e| panic!("{e}"));
    route::answer(site.clone(), request).await
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap_or_else(|e| panic!("{e}")).block_on(work)
}

fn text(reply: &Reply) -> String {
    match reply.body() {
        Content::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Live(_) => "live".to_owned(),
    }
}

fn fresh() -> Arc<Encoded> {
    let now = clock::now();
    Arc::new(Encoded {
        number: 3,
        taken: now,
        published: now,
        live: true,
        large: b"jpeg".to_vec(),
        ..Encoded::default()
    })
}

#[test]
fn every_place_is_found_and_nothing_else() {
    run(async {
        let site = site(None, 8);
        site.publish(fresh());
        for (path, kind) in [
            ("/", "text/html"),
            ("/?x=1", "text/html"),
            ("/page.js", "text/javascript"),
            ("/page.css", "text/css"),
            ("/uplot.js", "text/javascript"),
            ("/icon.svg", "image/svg"),
            ("/login", "text/html"),
            ("/stream", "multipart/x-mixed-replace;boundary="),
            ("/?action=stream", "multipart/x-mixed-replace;boundary="),
            ("/frames", "application/octet-stream"),
            ("/snapshot", "image/jpeg"),
            ("/?action=snapshot&x", "image/jpeg"),
            ("/state", "application/json"),
            ("/metrics", "text/plain; version=0.0.4"),
        ] {
            for method in ["GET", "HEAD"] {
                let reply = ask(&site, method, path, &[HOST], "").await;
                assert_eq!(reply.status(), StatusCode::OK, "{method} {path}");
                let found = reply.headers()["content-type"].to_str().unwrap_or_default();
                assert!(found.starts_with(kind), "{path}: {found}");
                for header in ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"]
                {
                    assert!(reply.headers().contains_key(header), "{path}: {header}");
                }
            }
        }
        for path in [
            "/etc/passwd",
            "/../etc/passwd",
            "/%2e%2e/",
            "//",
            "/page.js/",
            "/index.html",
            "/page/page.js",
            "/?action=x",
        ] {
            assert_eq!(ask(&site, "GET", path, &[HOST], "").await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    });
}

#[test]
fn other_methods_are_refused_and_nothing_is_changed_by_them() {
    run(async {
        let site = site(None, 8);
        for (method, path, allowed) in [
            ("POST", "/", "GET, HEAD"),
            ("PUT", "/state", "GET, HEAD"),
            ("DELETE", "/snapshot", "GET, HEAD"),
            ("OPTIONS", "/control", "POST"),
            ("GET", "/control", "POST"),
            ("HEAD", "/control", "POST"),
            ("PATCH", "/login", "GET, HEAD, POST"),
            ("get", "/", "GET, HEAD"),
        ] {
            let reply = ask(&site, method, path, &[HOST, JSON], r#"{"snapshot":true}"#).await;
            assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(reply.headers()["allow"], allowed);
        }
        assert_eq!(site.desk.take(|_| true), None);
    });
}

#[test]
fn without_the_token_there_is_the_form_and_no_more() {
    run(async {
        let site = site(Some(TOKEN), 8);
        site.publish(fresh());
        for path in ["/stream", "/frames", "/snapshot", "/state", "/metrics", "/?action=stream"] {
            let reply = ask(&site, "GET", path, &[HOST], "").await;
            assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(ask(&site, "GET", path, &[HOST, BEARER], "").await.status(), StatusCode::OK, "{path}");
        }
        let page = ask(&site, "GET", "/", &[HOST], "").await;
        assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
        assert!(text(&page).contains("action=\"/login\""));
        let post = ask(&site, "POST", "/control", &[HOST, JSON], r#"{"model":"small"}"#).await;
        assert_eq!((post.status(), site.desk.take(|_| true)), (StatusCode::UNAUTHORIZED, None));
        for asset in ["/page.css", "/icon.svg", "/login"] {
            assert_eq!(ask(&site, "GET", asset, &[HOST], "").await.status(), StatusCode::OK, "{asset}");
        }
    });
}

#[test]
fn the_form_gives_a_cookie_for_the_token_only() {
    run(async {
        let site = site(Some(TOKEN), 8);
        let wrong = ask(&site, "POST", "/login", &[HOST, FORM], "token=sixteen+letters%3F").await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
        assert!(text(&wrong).contains("not the token") && !wrong.headers().contains_key("set-cookie"));
        let right = ask(&site, "POST", "/login", &[HOST, FORM], "token=sixteen+letters%21").await;
        assert_eq!(right.status(), StatusCode::SEE_OTHER);
        assert_eq!(right.headers()["location"], "/");
        let cookie = right.headers()["set-cookie"].to_str().unwrap_or_default().to_owned();
        let pair = cookie.split(';').next().unwrap_or_default();
        let page = ask(&site, "GET", "/", &[HOST, ("cookie", pair)], "").await;
        assert_eq!(page.status(), StatusCode::OK);
        for (headers, status) in [
            (vec![HOST, JSON], StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (vec![HOST, FORM, ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        ] {
            assert_eq!(ask(&site, "POST", "/login", &headers, "token=sixteen+letters%21").await.status(), status);
        }
    });
}

#[test]
fn whom_and_from_where_is_asked_before_anything_else() {
    run(async {
        let site = site(Some(TOKEN), 8);
        let evil = ("host", "evil.example:8080");
        let status = async |method: &'static str, path: &str, headers: &[(&str, &str)]| {
            ask(&site, method, path, headers, r#"{"snapshot":true}"#).await.status()
        };
        assert_eq!(status("GET", "/state", &[evil, BEARER]).await, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(status("GET", "/login", &[evil]).await, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(status("GET", "/state", &[BEARER]).await, StatusCode::BAD_REQUEST);
        let foreign = [HOST, BEARER, JSON, ("origin", "http://evil.example")];
        assert_eq!(status("POST", "/control", &foreign).await, StatusCode::FORBIDDEN);
        assert_eq!(site.desk.take(|_| true), None);
        let own = [HOST, BEARER, JSON, ("origin", "http://localhost:8080")];
        assert_eq!(status("POST", "/control", &own).await, StatusCode::ACCEPTED);
        assert_eq!(site.desk.take(|_| true), Some(Wish::Snapshot));
    });
}

#[test]
fn bodies_are_json_and_short() {
    run(async {
        let site = site(None, 8);
        let long = format!("{}{}", " ".repeat(4 << 10), r#"{"snapshot":true}"#);
        for (headers, body, status) in [
            (vec![HOST], r#"{"snapshot":true}"#, StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (vec![HOST, ("content-type", "text/plain")], r#"{"snapshot":true}"#, StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (vec![HOST, JSON], long.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
            (vec![HOST, JSON], r#"{"model":"huge"}"#, StatusCode::BAD_REQUEST),
            (vec![HOST, JSON], r#"{"snapshot":true,"x":1}"#, StatusCode::BAD_REQUEST),
        ] {
            let reply = ask(&site, "POST", "/control", &headers, body).await;
            assert_eq!(reply.status(), status, "{}", text(&reply));
        }
        assert_eq!(site.desk.take(|_| true), None);
        let kind = ("content-type", "Application/JSON; charset=utf-8");
        let reply = ask(&site, "POST", "/control", &[HOST, kind], r#"{"model":"small"}"#).await;
        assert_eq!(reply.status(), StatusCode::ACCEPTED);
        assert_eq!(site.desk.take(|_| true), Some(Wish::Model("small".to_owned())));
    });
}

#[test]
fn no_more_watch_than_may_and_who_leaves_makes_room() {
    run(async {
        let site = site(None, 2);
        let first = ask(&site, "GET", "/stream", &[HOST], "").await;
        let second = ask(&site, "GET", "/frames", &[HOST], "").await;
        assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
        assert!(site.crowd.wants_both());
        let third = ask(&site, "GET", "/stream", &[HOST], "").await;
        assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(third.headers().contains_key("retry-after"));
        assert_eq!(ask(&site, "GET", "/state", &[HOST], "").await.status(), StatusCode::OK);
        assert_eq!(ask(&site, "HEAD", "/stream", &[HOST], "").await.status(), StatusCode::OK);
        drop(first);
        while site.crowd.count() == 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&site, "GET", "/stream", &[HOST], "").await.status(), StatusCode::OK);
    });
}

#[test]
fn state_has_ustreamers_names_and_ours_and_no_secrets() {
    run(async {
        let site = site(Some(TOKEN), 8);
        site.desk.write(|report| {
            (report.output, report.fps_in, report.online) = ([640, 480], 29.97, true);
            report.trouble = Some("rtsp://me:secret@camera/ is gone".to_owned());
        });
        let _watch = site.crowd.enter(View::Large);
        let reply = ask(&site, "GET", "/state", &[HOST, BEARER], "").await;
        let state: serde_json::Value = serde_json::from_str(&text(&reply)).unwrap_or_else(|e| panic!("{e}"));
        let result = &state["result"];
        assert_eq!(state["ok"], true);
        assert_eq!(result["encoder"]["quality"], 80);
        assert_eq!(result["source"]["resolution"]["width"], 640);
        assert_eq!((&result["source"]["captured_fps"], &result["source"]["online"]), (&30.into(), &true.into()));
        assert_eq!(result["stream"]["clients"], 1);
        assert_eq!(result["stream"]["clients_stat"]["0000000000000000"]["fps"], 0);
        assert_eq!(result["upres"]["models"][0], "small");
        let metrics = text(&ask(&site, "GET", "/metrics", &[HOST, BEARER], "").await);
        for secret in ["secret", TOKEN, "sixteen"] {
            assert!(!text(&reply).contains(secret) && !metrics.contains(secret), "{secret}");
        }
    });
}

#[test]
fn metrics_are_what_prometheus_reads() {
    run(async {
        let site = site(None, 8);
        site.desk.write(|report| (report.dropped.late, report.age.p95, report.temperature) = (7, 12.5, Some(48.25)));
        let metrics = text(&ask(&site, "GET", "/metrics", &[HOST], "").await);
        let mut families = std::collections::BTreeSet::new();
        for line in metrics.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_default();
                assert!(families.insert(name) && ["gauge", "counter"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                continue;
            }
            if line.starts_with("# HELP ") {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_default();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(families.contains(series.split('{').next().unwrap_or_default()), "{line}");
        }
        for line in [
            "upres_frames_dropped_total{reason=\"late\"} 7",
            "upres_age_seconds{quantile=\"0.95\"} 0.0125",
            "upres_temperature_celsius 48.25",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
        }
        assert!(metrics.contains("running=\"la\\\"rge\\\\\\n\""), "{metrics}");
    });
}

#[test]
fn a_snapshot_without_frames_is_a_picture_all_the_same() {
    run(async {
        let site = site(None, 8);
        let reply = ask(&site, "GET", "/snapshot", &[HOST], "").await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()["x-ustreamer-online"], "false");
        assert!(matches!(reply.body(), Content::Whole(jpeg) if jpeg.starts_with(&[0xff, 0xd8])));
        assert_eq!(site.crowd.count(), 0);
    });
}

#[test]
fn the_sink_says_no_live_video_only_to_those_who_have_waited() {
    let site = site(None, 8);
    site.desk.write(|report| report.trouble = Some("the camera is gone".to_owned()));
    let mut sink = HttpSink::new(site.clone());
    let mut idle = || sink.idle().unwrap_or_else(|e| panic!("{e}"));
    idle();
    let watch = site.crowd.enter(View::Large);
    idle();
    assert!(site.newest.borrow().is_none(), "who just came waits for a frame");
    let long_ago = clock::now().saturating_sub(std::time::Duration::from_secs(5));
    site.crowd.came(long_ago);
    idle();
    let blank = site.fresh().unwrap_or_else(|| panic!("nothing was said"));
    assert!(!blank.live && blank.reason == "the camera is gone" && blank.large.starts_with(&[0xff, 0xd8]));
    idle();
    assert!(Arc::ptr_eq(&blank, &site.fresh().unwrap_or_default()), "once a second is enough");
    site.publish(fresh());
    idle();
    assert!(site.fresh().is_some_and(|newest| newest.live), "a frame is newer than the trouble");
    drop(watch);
}
