//! The configuration, its folders, its models.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::card::Card;
use crate::onnx::Limits;
use crate::session::{Overrides, TractGenerator};
use crate::upscale::Generator;

#[test]
fn the_configuration_is_there_broken_or_not() {
    let made = pi_4();
    says(&made, &asked(), "configuration", State::Note, &["none"]);
    let file = Asked { configuration: Some("/etc/upres/live.toml".into()), ..asked() };
    says(&made, &file, "configuration", State::Ok, &["/etc/upres/live.toml can be followed"]);
    let broken = Asked { refused: Some("live.toml: line 3".into()), ..file };
    says(&made, &broken, "configuration", State::Trouble, &["line 3", "--help"]);
}

#[test]
fn a_token_is_for_those_who_may_know_it() {
    let made = pi_4();
    let open = Asked {
        configuration: Some("/etc/upres/live.toml".into()),
        http: Some("0.0.0.0:8080".into()),
        token_file: Some("/etc/upres/token".into()),
        ..asked()
    };
    says(&made, &open, "token", State::Trouble, &["/etc/upres/token", "(umask 077; openssl"]);
    made.file("/etc/upres/token", "0123456789abcdef\n").mode("/etc/upres/token", 0o644);
    says(&made, &open, "token", State::Warning, &["every user", "chmod o-rwx"]);
    made.mode("/etc/upres/token", 0o640);
    assert!(findings(&made, &open, "token").is_empty());
    says(&made, &open, "http", State::Ok, &["0.0.0.0:8080"]);
    made.file("/etc/upres/token", "short\n");
    says(&made, &open, "http", State::Trouble, &["token of 5 characters"]);
    assert!(!format!("{:?}", look(&made, &open)).contains("short"), "the token is not shown");
    let bare = Asked { token_file: None, ..open.clone() };
    says(&made, &bare, "http", State::Trouble, &["no token", "127.0.0.1"]);
    let nowhere = Asked { http: Some("everywhere".into()), ..open };
    says(&made, &nowhere, "http", State::Trouble, &["'everywhere'"]);
}

#[test]
fn what_the_service_keeps_for_itself_is_no_trouble() {
    let made = pi_4();
    let handed = Asked {
        configuration: Some("/etc/upres/live.toml".into()),
        http: Some("0.0.0.0:8080".into()),
        token_file: Some("/run/credentials/upres-live.service/token".into()),
        record: Some("/var/lib/upres/recordings".into()),
        models_dir: Some("/var/lib/upres/models".into()),
        ..asked()
    };
    made.file("/lib/systemd/system/upres-live.service", "[Unit]\n");
    // It never ran: systemd makes the folders, but not the token.
    says(&made, &handed, "disk", State::Note, &["/var/lib/upres/recordings", "when the service starts"]);
    says(&made, &handed, "token", State::Trouble, &["umask 077", "> /etc/upres/token"]);
    let advice = findings(&made, &handed, "token").remove(0).1;
    assert!(!advice.contains("tee /run") && !advice.contains("> /run"), "{advice}");
    made.file("/etc/upres/token", "0123456789abcdef\n").mode("/etc/upres/token", 0o600);
    says(&made, &handed, "token", State::Note, &["handed over by systemd"]);
    made.mode("/etc/upres/token", 0o644);
    says(&made, &handed, "token", State::Warning, &["/etc/upres/token", "chmod o-rwx"]);
    // It runs, as a user of its own.
    for folder in ["/var/lib/upres/recordings", "/var/lib/upres/models", "/run/credentials/upres-live.service"] {
        made.folder(folder);
    }
    for closed in ["/var/lib/upres", "/run/credentials", "/etc/upres"] {
        made.mode(closed, 0o700);
    }
    for id in ["disk", "token", "models"] {
        says(&made, &handed, id, State::Note, &["this user"]);
        let found = findings(&made, &handed, id);
        assert!(found.iter().all(|(state, _)| *state < State::Warning), "{found:?}");
    }
    let elsewhere = Asked { record: Some("/srv/films".into()), ..handed };
    made.folder("/srv/films").mode("/srv", 0o700);
    says(&made, &elsewhere, "disk", State::Trouble, &["/srv/films", "may not look"]);
}

#[test]
fn what_the_service_cannot_reach_is_told_though_this_user_can() {
    let made = pi_4();
    made.file("/lib/systemd/system/upres-live.service", "[Unit]\n").folder("/home/pi/models").folder("/mnt/usb/films");
    let own = Asked {
        configuration: Some(made.tree().path("/etc/upres/live.toml")),
        source: Some("file:/home/pi/street.mp4".into()),
        model: Some("/home/pi/mine.onnx".into()),
        token_file: Some("/etc/upres/token".into()),
        record: Some("/mnt/usb/films".into()),
        snapshots: Some("/home/pi/shots".into()),
        models_dir: Some("/home/pi/models".into()),
        ..asked()
    };
    for hidden in ["street.mp4 (source)", "mine.onnx (model)", "shots (snapshots)", "models (models-dir)"] {
        says(&made, &own, "service", State::Trouble, &[hidden, "sees nothing", "/etc/upres"]);
    }
    says(&made, &own, "service", State::Trouble, &["/mnt/usb/films (record)", "ReadWritePaths=/mnt/usb/films"]);
    made.file(
        "/etc/systemd/system/upres-live.service.d/override.conf",
        "[Service]\nReadWritePaths=/var/tmp /mnt/usb\n",
    );
    assert!(!findings(&made, &own, "service").iter().any(|(_, text)| text.contains("/mnt/usb")));

    made.file("/etc/upres/token", "0123456789abcdef\n").mode("/etc/upres/token", 0o600);
    let handed = "http-token-file = \"/run/credentials/upres-live.service/token\"";
    says(
        &made,
        &own,
        "token",
        State::Trouble,
        &["cannot be read by the service", "chmod 600 /etc/upres/token", handed],
    );
    made.mode("/etc/upres/token", 0o644);
    says(&made, &own, "token", State::Warning, &["every user", handed]);

    let by_hand = Asked { configuration: Some("/home/pi/live.toml".into()), ..own };
    assert!(findings(&made, &by_hand, "service").iter().all(|(state, _)| *state < State::Warning));
}

#[test]
fn recordings_need_a_folder_with_room() {
    let made = pi_4();
    says(&made, &asked(), "disk", State::Ok, &["nothing is to be recorded"]);
    let recording = Asked { record: Some("/var/lib/upres".into()), quota: 1_000, ..asked() };
    says(&made, &recording, "disk", State::Trouble, &["/var/lib/upres (record)", "mkdir"]);
    made.file("/var/lib/upres", "");
    says(&made, &recording, "disk", State::Trouble, &["no folder"]);
    made.without("/var/lib/upres").folder("/var/lib/upres").mode("/var/lib/upres", 0o770);
    says(&made, &recording, "disk", State::Ok, &["/var/lib/upres"]);
    let endless = Asked { quota: u64::MAX, snapshots: Some("/var/lib/upres".into()), ..recording.clone() };
    says(&made, &endless, "disk", State::Warning, &["smaller quota"]);
    says(&made, &endless, "disk", State::Ok, &["snapshots"]);
    made.user(false);
    says(&made, &recording, "disk", State::Trouble, &["cannot be written", "chown"]);
}

#[test]
fn memory_goes_by_the_model_that_is_named_wherever_it_stands() {
    let made = pi_4();
    let bytes = crate::session::testing::chain(4, 4).to_bytes();
    made.file("/srv/models/mine.onnx", &bytes).file("/opt/mine.onnx", &bytes);
    let of = |model: Option<&str>, scale| Asked {
        source: Some("v4l2:?size=1280x720".into()),
        model: model.map(str::to_owned),
        scale,
        models_dir: Some("/srv/models".into()),
        ..asked()
    };
    let said = |asked: &Asked| findings(&made, asked, "memory").remove(0).1;
    let (two, four) = (said(&of(Some("small-x2"), None)), said(&of(Some("small-x4"), None)));
    assert_ne!(two, four);
    for model in ["mine", "/opt/mine.onnx"] {
        assert_eq!(said(&of(Some(model), None)), four, "{model}");
        assert_eq!(said(&of(Some(model), Some(2.0))), two, "{model}");
    }
    for model in [None, Some("nope"), Some("bicubic")] {
        assert_eq!(said(&of(model, None)), two, "{model:?}");
    }
}

#[test]
fn the_service_s_limit_is_held_against_what_it_takes() {
    let made = pi_4();
    let (unit, changes) = ("/lib/systemd/system/upres-live.service", "/etc/systemd/system/upres-live.service.d");
    let file = made.tree().path("/etc/upres/live.toml");
    let large =
        Asked { configuration: Some(file), source: Some("v4l2:?size=1920x1080".into()), scale: Some(4.0), ..asked() };
    let by_hand = Asked { configuration: None, ..large.clone() };
    made.file(unit, "[Service]\n# MemoryMax=1M\nMemoryMax=512M\n");
    says(&made, &asked(), "memory", State::Note, &["the service may take 536 MB at most"]);
    says(&made, &large, "memory", State::Trouble, &["536 MB at most", "takes about 597 MB", "systemctl edit"]);
    says(&made, &by_hand, "memory", State::Warning, &["536 MB at most", "systemctl edit"]);
    for (written, parts) in [("1G", "1073 MB"), ("50%", "1988 MB"), ("700000000", "700 MB")] {
        made.file(&format!("{changes}/override.conf"), format!("[Service]\nMemoryMax={written}\n"));
        says(&made, &large, "memory", State::Note, &["the service may take", parts]);
    }
    for written in ["infinity", "much", "", "-3M", "99999999999999T"] {
        made.file(&format!("{changes}/override.conf"), format!("[Service]\nMemoryMax={written}\n"));
        assert_eq!(findings(&made, &large, "memory").len(), 1, "{written}");
    }
}

#[test]
fn models_are_held_to_their_cards() {
    let made = pi_4();
    says(&made, &asked(), "models", State::Ok, &["are what their cards say"]);
    let folder = Asked { models_dir: Some("/srv/models".into()), ..asked() };
    says(&made, &folder, "models", State::Trouble, &["cannot be listed", "models-dir"]);
    let bytes = crate::session::testing::chain(2, 4).to_bytes();
    made.file("/srv/models/bare.onnx", &bytes);
    says(&made, &folder, "models", State::Note, &["bare", "no card"]);
    made.file("/srv/models/mine/model.onnx", &bytes);
    let opened = TractGenerator::from_bytes("mine", &bytes, &Overrides::default(), Limits::default()).unwrap();
    let right = opened.card().clone();
    made.file("/srv/models/mine/card.toml", right.to_toml().unwrap());
    assert!(findings(&made, &folder, "models").iter().all(|(state, _)| *state < State::Warning));
    // The one that is named, wherever it stands.
    let named = |model: &str| Asked { model: Some(model.into()), ..asked() };
    made.file("/opt/bent.onnx", &bytes[..bytes.len() / 2]).file("/opt/whole.onnx", &bytes);
    for (model, parts) in [
        ("nope", ["no model 'nope'", "upres models"]),
        ("/opt/none.onnx", ["/opt/none.onnx", "upres verify"]),
        ("/opt/bent.onnx", ["/opt/bent.onnx", "upres verify"]),
    ] {
        says(&made, &named(model), "models", State::Trouble, &parts);
    }
    says(&made, &named("/opt/whole.onnx"), "models", State::Note, &["/opt/whole.onnx", "no card"]);
    for model in ["bicubic", "lanczos-x3", "small-x2"] {
        assert!(findings(&made, &named(model), "models").iter().all(|(state, _)| *state == State::Ok), "{model}");
    }
    let mine = Asked { models_dir: Some("/srv/models".into()), ..named("mine") };
    assert!(findings(&made, &mine, "models").iter().all(|(state, _)| *state < State::Warning));
    let wrong = Card { digest: "0".repeat(64), ..right };
    made.file("/srv/models/mine/card.toml", wrong.to_toml().unwrap());
    says(&made, &folder, "models", State::Trouble, &["mine: the card is of another file", "export it again"]);
    made.file("/srv/models/mine/card.toml", "name = 3\n");
    says(&made, &folder, "models", State::Trouble, &["mine", "card.toml"]);
}
