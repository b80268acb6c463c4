//! Reads the plugin configuration: JSON into a type that derives `Deserialize`.

use serde::de::DeserializeOwned;

/// Reads a JSON object. The error is one line and says what is wrong where: `rules[0].search: ...`.
pub fn read_config<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> Result<T, String> {
    let bytes = bytes.unwrap_or_default();
    // A derived `Deserialize` would take a list of the fields' values, too.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err("it is no JSON object".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let config = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.into_inner());
        match cause.is_data() {
            true if path == "." => cause.to_string(),
            true => format!("{path}: {cause}"),
            false => format!("it is no JSON: {cause}"),
        }
    })?;
    reader
        .end()
        .map_err(|cause| format!("it is no JSON: {cause}"))?;
    Ok(config)
}
