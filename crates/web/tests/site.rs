//! What the server may rely on, whether or not the pages were built on this machine.

use tally_web::{Asset, CONTENT_SECURITY_POLICY, Page, asset, build_note, is_built, page};

const PAGES: [Page; 2] = [Page::Home, Page::Watch];

fn text(asset: &Asset) -> &str {
    std::str::from_utf8(asset.bytes).expect("a page is UTF-8")
}

/// The addresses in `src="..."` and `href="..."` that name a file of ours.
fn references(html: &str) -> Vec<&str> {
    let after = |mark: &'static str| html.split(mark).skip(1);
    let addresses = after(" src=\"").chain(after(" href=\""));
    let mut found: Vec<&str> = addresses.filter_map(|rest| rest.split('"').next()).collect();
    found.retain(|address| address.contains("assets/"));
    found
}

#[test]
fn every_file_a_page_asks_for_is_embedded() {
    for kind in PAGES {
        let references = references(text(page(kind)));
        assert!(!references.is_empty(), "{kind:?} refers to its style sheet at least");
        for reference in references {
            let name = reference.rsplit_once("assets/").map(|(_, name)| name);
            let found = name.and_then(asset).is_some();
            assert!(found, "{kind:?} refers to {reference}, which is not embedded");
        }
    }
}

#[test]
fn pages_refer_relatively_so_that_a_proxy_prefix_works() {
    for (kind, prefixes) in
        [(Page::Home, ["./assets/", "assets/"]), (Page::Watch, ["../assets/"; 2])]
    {
        for reference in references(text(page(kind))) {
            let relative = prefixes.iter().any(|prefix| reference.starts_with(prefix));
            assert!(relative, "{kind:?} refers to {reference}");
        }
    }
}

#[test]
fn pages_keep_the_content_security_policy() {
    assert!(CONTENT_SECURITY_POLICY.contains("script-src 'self';"));
    assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
    for kind in PAGES {
        let html = text(page(kind));
        for (open, rest) in html.match_indices("<script") {
            let tag = html[open..].split('>').next().unwrap_or(rest);
            assert!(tag.contains(" src="), "{kind:?} has an inline script");
        }
        for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!html.contains(forbidden), "{kind:?} has {forbidden}");
        }
    }
}

#[test]
fn pages_name_no_other_host() {
    for kind in PAGES {
        let html = text(page(kind));
        let outside = ["=\"http:", "=\"https:", "=\"//"];
        assert!(outside.iter().all(|start| !html.contains(start)), "{kind:?} refers to a host");
    }
}

#[test]
fn only_names_with_a_hash_are_kept_for_ever() {
    for kind in PAGES {
        assert!(!page(kind).immutable, "a page's name stays, its content changes");
        assert_eq!(page(kind).cache_control(), "no-cache");
        for reference in references(text(page(kind))) {
            let (_, name) = reference.rsplit_once('/').expect("a reference has a folder");
            let file = asset(name).expect("every reference is embedded");
            assert_eq!(file.immutable, is_built(), "{name}");
        }
    }
}

#[test]
fn the_script_for_other_pages_has_one_address_that_stays() {
    let Some(script) = asset("tally-heartbeats.js") else {
        assert!(!is_built());
        return;
    };
    assert!(!script.immutable && script.content_type.starts_with("text/javascript"));
    // `export{t as openSession,n as rtpClock}from"./heartbeats-hash.js";`
    let parts: Vec<&str> = text(script).split('"').collect();
    for name in ["as openSession", "as rtpClock"] {
        assert!(parts[0].contains(name), "{parts:?}");
    }
    let module = asset(parts[1].trim_start_matches("./")).expect("what it names is embedded");
    assert!(module.immutable);
    let sent = module.brotli.map_or(usize::MAX, <[u8]>::len);
    assert!(sent <= 2_000, "{sent} bytes to load is more than the README says");
}

#[test]
fn entity_tags_are_strong_quoted_and_differ() {
    let [home, watch] = PAGES.map(|kind| page(kind).etag);
    assert_ne!(home, watch);
    for tag in [home, watch] {
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 8, "{tag}");
    }
}

#[test]
fn unknown_assets_are_none() {
    for path in ["", "nothing.js", "../index.html", "index.html", "/", "assets/"] {
        assert!(asset(path).is_none(), "{path:?}");
    }
}

#[test]
fn compressed_forms_are_smaller_and_of_the_right_kind() {
    for kind in PAGES {
        let file = page(kind);
        if let Some(gzip) = file.gzip {
            assert!(gzip.starts_with(&[0x1f, 0x8b]), "RFC 1952 section 2.3.1");
            assert!(gzip.len() < file.bytes.len());
        }
        if let Some(brotli) = file.brotli {
            assert!(brotli.len() < file.bytes.len());
        }
        assert_eq!(file.gzip.is_some(), is_built(), "built pages are compressed at build time");
    }
}

#[test]
fn without_node_the_pages_say_why() {
    let Some(note) = build_note() else {
        assert!(is_built());
        return;
    };
    for kind in PAGES {
        let html = text(page(kind));
        assert!(html.contains(note), "{kind:?} gives the reason");
        assert!(!html.contains("{{"), "{kind:?} has everything filled in");
        assert!(html.contains("cargo build"), "{kind:?} says how to build again");
    }
    assert!(text(page(Page::Watch)).contains("ffplay"), "there is another way to watch");
}
