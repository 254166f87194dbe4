//! docs/config.md and the JSON schema, made from the doc comments of the schema so that they cannot go stale.

use serde_json::Value;

use super::schema::Config;

/// The JSON schema of a configuration.
pub fn json_schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Every key with its meaning and default, as Markdown.
pub fn markdown() -> String {
    let schema = json_schema();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut text = String::from(
        "# Configuration\n\nMade from the source by `slmc schema --markdown`; a test keeps it true. Quantities are written in quotes \
         with their unit, such as `\"300 K\"`. Any key can be set on the command line: `--set sampling.steps=500`. Unknown keys are \
         errors.\n",
    );
    section(&mut text, &schema, &schema, "", &defaults, 0);
    text
}

fn resolve<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let reference = node.get("$ref").and_then(Value::as_str);
    match reference.and_then(|path| root.pointer(path.trim_start_matches('#'))) {
        Some(target) => target,
        // An optional table is "any of: the table, or null".
        None => node
            .get("anyOf")
            .and_then(Value::as_array)
            .and_then(|choices| choices.iter().find(|choice| choice.get("$ref").is_some()))
            .map_or(node, |choice| resolve(root, choice)),
    }
}

fn kind(root: &Value, node: &Value) -> String {
    if let Some(units) = node.get("units").and_then(Value::as_array) {
        let name = node.get("format").and_then(Value::as_str).unwrap_or("quantity");
        let units: Vec<&str> = units.iter().filter_map(Value::as_str).collect();
        return format!("{name} ({})", units.join(", "));
    }
    let target = resolve(root, node);
    if let Some(choices) = target.get("oneOf").and_then(Value::as_array) {
        let names: Vec<String> = choices
            .iter()
            .flat_map(variant_names)
            .map(|name| format!("`{name}`"))
            .collect();
        return format!("one of {}", names.join(", "));
    }
    if let Some(choices) = target.get("enum").and_then(Value::as_array) {
        let names: Vec<String> = choices
            .iter()
            .filter_map(Value::as_str)
            .map(|name| format!("`\"{name}\"`"))
            .collect();
        return format!("one of {}", names.join(", "));
    }
    if let Some(choices) = node.get("anyOf").and_then(Value::as_array) {
        return choices
            .iter()
            .find(|choice| choice.get("type").and_then(Value::as_str) != Some("null"))
            .map_or("value".to_owned(), |choice| kind(root, choice));
    }
    match target.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "array" => target
                .get("items")
                .map_or("list".to_owned(), |items| format!("list of {}", kind(root, items))),
            "object" => "table".to_owned(),
            other => other.to_owned(),
        },
        Some(Value::Array(names)) => {
            let name = names.iter().filter_map(Value::as_str).find(|name| *name != "null");
            match (name, target.get("items")) {
                (Some("array"), Some(items)) => format!("list of {}", kind(root, items)),
                (name, _) => name.unwrap_or("value").to_owned(),
            }
        }
        _ => "value".to_owned(),
    }
}

fn variant_names(choice: &Value) -> Vec<String> {
    if let Some(name) = choice.get("const").and_then(Value::as_str) {
        return vec![name.to_owned()];
    }
    if let Some(names) = choice.get("enum").and_then(Value::as_array) {
        return names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    choice
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// One line of prose from a doc comment.
fn prose(node: &Value, target: &Value) -> String {
    let text = node
        .get("description")
        .or_else(|| target.get("description"))
        .and_then(Value::as_str);
    text.unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn section(text: &mut String, root: &Value, node: &Value, path: &str, defaults: &Value, depth: usize) {
    let Some(properties) = node.get("properties").and_then(Value::as_object) else {
        return;
    };
    let mut tables = Vec::new();
    let mut rows = String::new();
    for (key, property) in properties {
        let target = resolve(root, property);
        let inner = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let default = defaults.get(key);
        if target.get("properties").is_some() {
            tables.push((
                inner,
                property,
                target,
                default.cloned().or_else(|| target.get("default").cloned()),
            ));
            continue;
        }
        let required = node
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|keys| keys.iter().any(|name| name == key));
        let shown = match default.or_else(|| property.get("default")) {
            None | Some(Value::Null) if required => "must be given".to_owned(),
            None | Some(Value::Null) => "–".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        rows.push_str(&format!(
            "| `{key}` | {} | {shown} | {} |\n",
            kind(root, property).replace('|', "\\|"),
            prose(property, target).replace('|', "\\|")
        ));
        if let Some(choices) = target.get("oneOf").and_then(Value::as_array) {
            for choice in choices {
                for (name, body) in choice
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    let table = resolve(root, body);
                    if table.get("properties").is_some() {
                        tables.push((format!("{inner}.{name}"), choice, table, None));
                    }
                }
            }
        }
    }
    if !rows.is_empty() {
        text.push_str("\n| key | kind | default | meaning |\n|---|---|---|---|\n");
        text.push_str(&rows);
    }
    for (path, property, target, default) in tables {
        text.push_str(&format!(
            "\n{} `[{path}]`\n\n{}\n",
            "#".repeat((depth + 2).min(4)),
            prose(property, target)
        ));
        section(text, root, target, &path, &default.unwrap_or_default(), depth + 1);
    }
}
