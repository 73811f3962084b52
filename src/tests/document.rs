//! The API document is a product: complete, exemplified, and true.

use std::{collections::BTreeSet, io::Read};

use cartwright::app::{api, document::operations, problems};
use flate2::read::GzDecoder;
use platform::http::schema::Schemas;
use serde_json::Value;

use crate::support::{TestShop, sources};

fn document() -> Value {
    api::document("USD".parse().expect("a currency"))
}

/// Every operation that does not say what it should, with what it lacks.
fn lacking(lacks: impl Fn(&str, &Value) -> Vec<String>) -> Vec<String> {
    let document = document();
    let of = |(path, method, operation): (&str, &str, &Value)| {
        lacks(method, operation).into_iter().map(|what| format!("{method} {path}: {what}")).collect::<Vec<_>>()
    };
    operations(&document).flat_map(of).collect()
}

#[track_caller]
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_operation_is_explained() {
    none(&lacking(|_, operation| {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        let (summary, description) = (text("summary"), text("description"));
        let mut faults = Vec::new();
        if !summary.ends_with('.') || summary.trim_end_matches('.').contains(". ") || summary.contains('\n') {
            faults.push(format!("its summary is not one sentence: {summary:?}"));
        }
        if description.len() < 20 || description.contains("Problems:") {
            faults.push(format!("its description tells a frontend developer nothing: {description:?}"));
        }
        if text("operationId").is_empty() || operation["tags"].as_array().is_none_or(|tags| tags.len() != 1) {
            faults.push("it needs an operationId and one tag".to_owned());
        }
        if !operation["security"].is_array() {
            faults.push("it does not say who may call it".to_owned());
        }
        faults
    }));
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = document();
    let mut names: Vec<&str> =
        operations(&document).filter_map(|(_, _, found)| found["operationId"].as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

/// JSON bodies of requests and of answers that succeed.
fn bodies(operation: &Value) -> Vec<(String, Value)> {
    let asked = [("the request".to_owned(), operation["requestBody"].clone())];
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answers = answers.filter(|(status, _)| status.starts_with('2'));
    let answers = answers.map(|(status, response)| (format!("the {status}"), response.clone()));
    let json = |(what, body): (String, Value)| {
        let media = body["content"].get("application/json")?.clone();
        Some((what, media))
    };
    asked.into_iter().chain(answers).filter_map(json).collect()
}

#[test]
fn every_body_has_an_example_that_is_one() {
    let schemas = Schemas::of(&document());
    none(&lacking(|_, operation| {
        let judge = |(what, media): (String, Value)| {
            let Some(example) = media.get("example") else { return Some(format!("{what} has no example")) };
            let (schema, examples) = match example {
                Value::Array(examples) => (&media["schema"]["items"], examples.clone()),
                example => (&media["schema"], vec![example.clone()]),
            };
            let name = schema["$ref"].as_str()?.rsplit('/').next()?.to_owned();
            let wrong = examples.iter().find_map(|example| schemas.check(&name, example).err())?;
            Some(format!("the example of {what} is no {name}: {:?}", wrong.errors))
        };
        bodies(operation).into_iter().filter_map(judge).collect()
    }));
}

#[test]
fn every_parameter_is_described_and_exemplified() {
    none(&lacking(|_, operation| {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named = |parameter: &Value| parameter["name"].as_str().unwrap_or_default().to_owned();
        let faulty = parameters.iter().filter(|parameter| {
            let in_path = parameter["in"] == "path";
            parameter.get("example").is_none() || (!in_path && parameter["description"].as_str().is_none())
        });
        faulty.map(|parameter| format!("{} has no example or no description", named(parameter))).collect()
    }));
}

#[test]
fn every_operation_says_what_can_go_wrong() {
    none(&lacking(|method, operation| {
        let answers = |status: &str| operation["responses"].get(status).is_some();
        let mut faults = Vec::new();
        let signed_in = operation["security"].as_array().is_some_and(|ways| !ways.is_empty());
        if signed_in && !answers("401") {
            faults.push("401 is missing".to_owned());
        }
        if operation["x-role"] == "admin" && !answers("403") {
            faults.push("403 is missing".to_owned());
        }
        if matches!(method, "post" | "put" | "patch")
            && operation.get("requestBody").is_some()
            && !answers("422")
            && !answers("400")
        {
            faults.push("a body may be wrong".to_owned());
        }
        if !answers("default") {
            faults.push("default is missing".to_owned());
        }
        faults
    }));
}

/// Every schema within a part of the document, with where it stands.
fn schemas_within<'a>(part: &'a Value, place: &str) -> Vec<(String, &'a Value)> {
    let inner: Vec<(String, &Value)> = match part {
        Value::Object(members) => members.iter().map(|(name, inner)| (format!("{place}/{name}"), inner)).collect(),
        Value::Array(values) => {
            values.iter().enumerate().map(|(index, inner)| (format!("{place}/{index}"), inner)).collect()
        }
        _ => return vec![],
    };
    let found = inner.iter().flat_map(|(place, inner)| schemas_within(inner, place)).collect::<Vec<_>>();
    [vec![(place.to_owned(), part)], found].concat()
}

/// Generators of clients drop a type that is `allOf` an enum and something else, and everything that uses it.
#[test]
fn no_schema_is_an_all_of_several() {
    let document = document();
    let all = schemas_within(&document["components"]["schemas"], "");
    let of_several = all.iter().filter(|(_, schema)| schema["allOf"].as_array().is_some_and(|parts| parts.len() != 1));
    none(&of_several.map(|(place, schema)| format!("{place}: {schema}")).collect::<Vec<_>>());
    let status = &document["components"]["schemas"]["Order"]["properties"]["status"];
    assert_eq!(status["allOf"][0]["$ref"], "#/components/schemas/OrderStatus");
    assert_eq!(status["description"], "The status of the delivery.");
}

/// Generated clients read no more of a reference than its name, and break at a null in its place.
#[test]
fn optional_fields_of_responses_are_no_references() {
    let document = document();
    let failure = &document["components"]["schemas"]["Payment"]["properties"]["failure"];
    assert_eq!(failure["nullable"], true);
    assert!(failure["properties"]["code"].is_object(), "{failure}");
    let asked = |name: &str| ["Checkout", "PaymentInput"].iter().any(|input| name.starts_with(&format!("/{input}/")));
    let all = schemas_within(&document["components"]["schemas"], "");
    let referring = all.iter().filter(|(place, schema)| {
        !asked(place) && schema["nullable"] == true && (schema.get("allOf").is_some() || schema.get("$ref").is_some())
    });
    none(&referring.map(|(place, schema)| format!("{place}: {schema}")).collect::<Vec<_>>());
}

#[test]
fn every_problem_of_the_code_has_its_page_and_every_page_its_problem() {
    let mut known = BTreeSet::new();
    let sources =
        sources::all().into_iter().filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "document"));
    let sources: String = sources.map(|(_, text)| text).collect();
    for problem in problems::ALL.iter() {
        known.insert(problem.code);
        assert!(sources.contains(&format!("\"{}\"", problem.code)), "nobody answers {}", problem.code);
    }
    let makers = ["Problem::new(", "Problem::conflict(", "Problem::unauthenticated(", "Problem::unavailable("];
    let codes = makers.iter().flat_map(|maker| sources.split(maker).skip(1)).filter_map(code_in);
    let unknown: Vec<&str> = codes.filter(|code| !known.contains(code)).collect();
    assert!(unknown.is_empty(), "no feature declares {unknown:?}");
}

/// The first words in quotes that look like a code, among the arguments.
fn code_in(call: &str) -> Option<&str> {
    let arguments = call.split(';').next()?;
    let code = arguments.split('"').nth(1)?;
    code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(code)
}

/// The lists in what is sent that do not say how long they may be, or may be as long as what is kept of a body.
fn endless(schema: &Value, path: &str, document: &Value) -> Vec<String> {
    if let Some(pointer) = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
        return endless(document.pointer(pointer).unwrap_or(&Value::Null), path, document);
    }
    let is_endless = schema["type"] == "array" && schema["maxItems"].as_u64().is_none_or(|most| most >= 1_000);
    let inner = ["items", "allOf", "anyOf", "oneOf"].iter().flat_map(|name| match &schema[name] {
        Value::Array(ways) => ways.iter().collect(),
        way => vec![way],
    });
    let inner = inner.filter(|schema| schema.is_object()).flat_map(|schema| endless(schema, path, document));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let properties = properties.flat_map(|(name, schema)| endless(schema, &format!("{path}.{name}"), document));
    is_endless.then(|| path.to_owned()).into_iter().chain(inner).chain(properties).collect()
}

#[test]
fn every_list_in_a_body_has_a_limit() {
    let document = document();
    none(&lacking(|_, operation| {
        endless(&operation["requestBody"]["content"]["application/json"]["schema"], "body", &document)
    }));
}

on_both_engines! {
    async fn every_problem_has_a_page_that_says_what_to_do(shop: TestShop) {
        let visitor = shop.visitor();
        let all = visitor.get("/problems").await.is(200).text();
        for problem in problems::ALL.iter() {
            assert!(all.contains(&format!("/problems/{}\"", problem.code)));
        }
        let page = visitor.get("/problems/out_of_stock").await.is(200);
        assert!(page.header("content-type").starts_with("text/html") && page.text().contains("What to do"));
        visitor.get("/problems/nothing_of_ours").await.is(404).with_code("not_found");
    }

    async fn the_large_pages_are_compressed_and_revalidated(shop: TestShop) {
        let visitor = shop.visitor();
        for path in ["/docs", "/reference", "/openapi.json"] {
            let plain = visitor.get(path).await.is(200);
            let packed = visitor.get(path).header("accept-encoding", "br, gzip;q=0.5").await.is(200);
            assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"), "{path}");
            let mut unpacked = Vec::new();
            GzDecoder::new(packed.bytes()).read_to_end(&mut unpacked).expect("it is gzip");
            assert!(unpacked == plain.bytes() && packed.bytes().len() * 2 < plain.bytes().len(), "{path}");
            assert_ne!(plain.header("etag"), packed.header("etag"), "{path}");
            for known in [plain.header("etag"), packed.header("etag")] {
                let again = visitor.get(path).header("if-none-match", known).await.is(304);
                assert!(again.bytes().is_empty() && again.header("etag") == plain.header("etag"), "{path}");
            }
            let refused = visitor.get(path).header("accept-encoding", "gzip;q=0").await.is(200);
            assert_eq!(refused.header("content-encoding"), "", "{path}");
            visitor.post(path).await.is(405);
            visitor.get(&format!("{path}/nothing")).await.is(404).with_code("not_found");
        }
    }

    async fn both_readers_show_the_whole_document(shop: TestShop) {
        let visitor = shop.visitor();
        let document = document().to_string();
        let swagger = visitor.get("/docs").await.is(200).text();
        assert!(swagger.contains(&document) && swagger.contains("persistAuthorization: true"));
        assert!(visitor.get("/reference").await.is(200).text().contains(&document));
    }
}
