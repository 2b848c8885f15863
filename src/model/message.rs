//! Messages that a model begins every conversation with.
//!
//! Fields and their order: Ollama, `api/types.go`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::go_json;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`; kept in lower case.
    #[serde(default, deserialize_with = "lower_case")]
    pub role: String,
    /// The text.
    #[serde(default)]
    pub content: String,
    /// The text of its reasoning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thinking: String,
    /// Images, base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Calls of tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which tool's result this is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_name: String,
    /// Which call's result this is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_call_id: String,
}

impl Message {
    /// The bytes of a messages layer.
    pub fn list_to_bytes(messages: &[Message]) -> Vec<u8> {
        go_json::to_line(messages)
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the caller calls it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The function called.
    pub function: ToolCallFunction,
}

/// The function that a tool call names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCallFunction {
    /// Position among the calls of one message.
    #[serde(default)]
    pub index: i64,
    /// The function's name.
    #[serde(default)]
    pub name: String,
    /// Its arguments, in the order given.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|role| role.to_lowercase())
}
