//! The table of formats, most particular first: the first row whose marks are all there is the format.
//!
//! Sources: the chat templates that the models' authors publish, llama.cpp (`src/llama-chat.cpp`) for which
//! tokens tell formats apart, and Ollama (`template/index.json`) for names.

use super::format::{ChatFormat, Marks};

const fn marks(all: &'static [&'static str]) -> Marks {
    Marks { all, any: &[], none: &[] }
}

const fn unless(all: &'static [&'static str], none: &'static [&'static str]) -> Marks {
    Marks { all, any: &[], none }
}

pub(super) const FORMATS: &[ChatFormat] = &[
    ChatFormat {
        name: "gpt-oss",
        marks: marks(&["<|start|>", "<|channel|>", "<|message|>"]),
        file: include_str!("formats/gpt-oss.gotmpl"),
        stop: &["<|return|>", "<|call|>"],
    },
    ChatFormat {
        name: "kimi-k2-thinking",
        marks: marks(&["<|im_middle|>", "<|im_user|>", "</think>"]),
        file: include_str!("formats/kimi-k2-thinking.gotmpl"),
        stop: &["<|im_end|>"],
    },
    ChatFormat {
        name: "kimi-k2",
        marks: marks(&["<|im_middle|>", "<|im_user|>"]),
        file: include_str!("formats/kimi-k2.gotmpl"),
        stop: &["<|im_end|>"],
    },
    ChatFormat {
        name: "phi-4",
        marks: marks(&["<|im_start|>", "<|im_sep|>"]),
        file: include_str!("formats/phi-4.gotmpl"),
        stop: &["<|im_end|>", "<|im_start|>"],
    },
    ChatFormat {
        name: "lfm2",
        marks: Marks {
            all: &["<|im_start|>", "<|im_end|>"],
            any: &["<|tool_list_start|>", "List of tools: "],
            none: &[],
        },
        file: include_str!("formats/lfm2.gotmpl"),
        stop: &["<|im_end|>"],
    },
    ChatFormat {
        name: "qwen3-thinking",
        marks: Marks {
            all: &["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>"],
            any: &["assistant\\n<think>\\n", "assistant\n<think>\n"],
            none: &["<function=", "<arg_key>"],
        },
        file: include_str!("formats/qwen3-thinking.gotmpl"),
        stop: &["<|im_start|>", "<|im_end|>"],
    },
    ChatFormat {
        name: "qwen3-with-tools",
        marks: unless(
            &["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>", "</think>"],
            &["<function=", "<arg_key>"],
        ),
        file: include_str!("formats/qwen3-with-tools.gotmpl"),
        stop: &["<|im_start|>", "<|im_end|>"],
    },
    ChatFormat {
        name: "qwen-with-tools",
        marks: unless(
            &["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>"],
            &["<function=", "<arg_key>"],
        ),
        file: include_str!("formats/qwen-with-tools.gotmpl"),
        stop: &["<|im_start|>", "<|im_end|>"],
    },
    ChatFormat {
        name: "chatml",
        marks: marks(&["<|im_start|>", "<|im_end|>"]),
        file: include_str!("formats/chatml.gotmpl"),
        stop: &["<|im_start|>", "<|im_end|>"],
    },
    ChatFormat {
        name: "mistral-v7-tekken",
        marks: unless(&["[INST]", "[SYSTEM_PROMPT]"], &["[SYSTEM_PROMPT] ", "[THINK]"]),
        file: include_str!("formats/mistral-v7-tekken.gotmpl"),
        stop: &["[INST]"],
    },
    ChatFormat {
        name: "mistral-v7",
        marks: marks(&["[INST]", "[SYSTEM_PROMPT] "]),
        file: include_str!("formats/mistral-v7.gotmpl"),
        stop: &["[INST]"],
    },
    ChatFormat {
        name: "mistral-v3",
        marks: unless(&["[INST] ", "[AVAILABLE_TOOLS]"], &["[SYSTEM_PROMPT]"]),
        file: include_str!("formats/mistral-v3.gotmpl"),
        stop: &["[INST]"],
    },
    ChatFormat {
        name: "mistral-v3-tekken",
        marks: unless(&["[INST]", "[AVAILABLE_TOOLS]"], &["[SYSTEM_PROMPT]"]),
        file: include_str!("formats/mistral-v3-tekken.gotmpl"),
        stop: &["[INST]"],
    },
    ChatFormat {
        name: "llama2-chat",
        marks: marks(&["[INST]", "<<SYS>>"]),
        file: include_str!("formats/llama2-chat.gotmpl"),
        stop: &["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    },
    ChatFormat {
        name: "mistral-instruct",
        marks: unless(&["[INST]", "[/INST]"], &["[SYSTEM_PROMPT]"]),
        file: include_str!("formats/mistral-instruct.gotmpl"),
        stop: &["[INST]", "[/INST]"],
    },
    ChatFormat {
        name: "llama3-instruct",
        marks: unless(&["<|start_header_id|>", "<|end_header_id|>", "ipython"], &["<function=", ">>>"]),
        file: include_str!("formats/llama3-with-tools.gotmpl"),
        stop: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    },
    ChatFormat {
        name: "llama3-instruct",
        marks: unless(&["<|start_header_id|>", "<|end_header_id|>"], &[">>>", "UNSAFE CONTENT"]),
        file: include_str!("formats/llama3-instruct.gotmpl"),
        stop: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    },
    ChatFormat {
        name: "llama4",
        marks: marks(&["<|header_start|>", "<|header_end|>"]),
        file: include_str!("formats/llama4.gotmpl"),
        stop: &["<|header_start|>", "<|eot|>"],
    },
    ChatFormat {
        name: "phi-4-mini",
        marks: unless(&["<|end|>", "<|tool|>"], &["<|content|>"]),
        file: include_str!("formats/phi-4-mini.gotmpl"),
        stop: &["<|end|>", "<|user|>", "<|assistant|>"],
    },
    ChatFormat {
        name: "phi-3",
        marks: Marks {
            all: &["<|end|>"],
            any: &["<|assistant|>", "'<|' + message"],
            none: &["<|start|>", "<|begin|>", "<|content|>", "<|begin_user|>"],
        },
        file: include_str!("formats/phi-3.gotmpl"),
        stop: &["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
    },
    ChatFormat {
        name: "glm-4.7",
        marks: marks(&["[gMASK]<sop>", "<|user|>{{", "</think>"]),
        file: include_str!("formats/glm-4.7.gotmpl"),
        stop: &["<|user|>", "<|observation|>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "glm-4.5",
        marks: marks(&["[gMASK]<sop>", "<|assistant|>", "</think>"]),
        file: include_str!("formats/glm-4.5.gotmpl"),
        stop: &["<|user|>", "<|observation|>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "glm-4",
        marks: Marks { all: &["[gMASK]<sop>"], any: &["<|assistant|>"], none: &[] },
        file: include_str!("formats/glm-4.gotmpl"),
        stop: &["<|user|>", "<|observation|>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "chatglm3",
        marks: marks(&["[gMASK]sop"]),
        file: include_str!("formats/chatglm3.gotmpl"),
        stop: &["<|user|>", "<|observation|>"],
    },
    ChatFormat {
        name: "exaone-deep",
        marks: unless(&["[|assistant|]", "[|endofturn|]", "<thought>"], &["[|tool|]"]),
        file: include_str!("formats/exaone-deep.gotmpl"),
        stop: &["[|endofturn|]"],
    },
    ChatFormat {
        name: "exaone",
        marks: unless(&["[|assistant|]", "[|endofturn|]"], &["[|tool|]"]),
        file: include_str!("formats/exaone.gotmpl"),
        stop: &["[|endofturn|]"],
    },
    ChatFormat {
        name: "granite-vision",
        marks: marks(&["<|user|>", "<|assistant|>", "<|end_of_text|>"]),
        file: include_str!("formats/granite-vision.gotmpl"),
        stop: &["<|user|>", "<|end_of_text|>"],
    },
    ChatFormat {
        name: "stablelm-zephyr",
        marks: marks(&["<|user|>", "<|assistant|>", "<|endoftext|>"]),
        file: include_str!("formats/stablelm-zephyr.gotmpl"),
        stop: &["<|user|>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "zephyr",
        marks: Marks {
            all: &["<|user|>", "<|assistant|>"],
            any: &[
                "<|user|>\\n' + message['content'] + '\\n'",
                "<|user|>\n' + message['content'] + '\n'",
                "<|user|>\\n' + message['content'] }}",
                "<|user|>\n' + message['content'] }}",
            ],
            none: &["<|end|>"],
        },
        file: include_str!("formats/tulu.gotmpl"),
        stop: &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    },
    ChatFormat {
        name: "zephyr",
        marks: Marks {
            all: &["<|user|>", "<|assistant|>"],
            any: &["eos_token", "</s>"],
            none: &["<|end|>", "[gMASK]", "<tool_call>"],
        },
        file: include_str!("formats/zephyr.gotmpl"),
        stop: &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    },
    ChatFormat {
        name: "zephyr",
        marks: unless(&["'<|' + message['role'] + '|>", "<|assistant|>", "eos_token"], &["<|end|>"]),
        file: include_str!("formats/zephyr.gotmpl"),
        stop: &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    },
    ChatFormat {
        name: "glm-edge",
        marks: unless(
            &["<|user|>", "<|assistant|>", "<|system|>"],
            &["<|end|>", "eos_token", "</s>", "<tool_call>", "[|"],
        ),
        file: include_str!("formats/glm-edge.gotmpl"),
        stop: &["<|user|>", "<|system|>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "gemma3-instruct",
        marks: Marks {
            all: &["<start_of_turn>"],
            any: &["first_user_prefix", "<start_of_image>", "image_soft_token"],
            none: &[],
        },
        file: include_str!("formats/gemma-instruct.gotmpl"),
        stop: &["<end_of_turn>"],
    },
    ChatFormat {
        name: "gemma-instruct",
        marks: unless(&["<start_of_turn>", "<end_of_turn>"], &["guideline"]),
        file: include_str!("formats/gemma-instruct.gotmpl"),
        stop: &["<start_of_turn>", "<end_of_turn>"],
    },
    ChatFormat {
        name: "gemma4",
        marks: marks(&["<|turn>", "<turn|>"]),
        file: include_str!("formats/gemma4.gotmpl"),
        stop: &["<turn|>"],
    },
    ChatFormat {
        name: "command-r7b",
        marks: marks(&["<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|START_RESPONSE|>"]),
        file: include_str!("formats/command-r7b.gotmpl"),
        stop: &["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>"],
    },
    ChatFormat {
        name: "command-r",
        marks: unless(&["<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"], &["<|START_TEXT|>"]),
        file: include_str!("formats/command-r.gotmpl"),
        stop: &["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"],
    },
    ChatFormat {
        name: "deepseek-v3.1",
        marks: Marks {
            all: &["<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>"],
            any: &["'</think>'}}", "<｜Assistant｜></think>", "<think></think>"],
            none: &[],
        },
        file: include_str!("formats/deepseek-v3.1.gotmpl"),
        stop: &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    },
    ChatFormat {
        name: "deepseek-r1",
        marks: Marks {
            all: &["<｜User｜>", "<｜Assistant｜>", "</think>"],
            any: &["<think>\\n", "<think>\n"],
            none: &["DSML"],
        },
        file: include_str!("formats/deepseek-r1.gotmpl"),
        stop: &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    },
    ChatFormat {
        name: "deepseek-r1",
        marks: unless(&["<｜User｜>", "<｜Assistant｜>", "</think>"], &["DSML"]),
        file: include_str!("formats/deepseek-v3.gotmpl"),
        stop: &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    },
    ChatFormat {
        name: "deepseek-v3",
        marks: unless(&["<｜User｜>", "<｜Assistant｜>"], &["DSML"]),
        file: include_str!("formats/deepseek-v3.gotmpl"),
        stop: &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    },
    ChatFormat {
        name: "granite4-instruct",
        marks: marks(&["<|start_of_role|>", "<tool_call>", "<tools>"]),
        file: include_str!("formats/granite4-instruct.gotmpl"),
        stop: &["<|end_of_text|>", "<|start_of_role|>"],
    },
    ChatFormat {
        name: "granite3-instruct",
        marks: unless(&["<|start_of_role|>", "<|end_of_role|>"], &["guardian_config"]),
        file: include_str!("formats/granite3-instruct.gotmpl"),
        stop: &["<|end_of_text|>", "<|start_of_role|>"],
    },
    ChatFormat {
        name: "seed-oss",
        marks: marks(&["<seed:bos>"]),
        file: include_str!("formats/seed-oss.gotmpl"),
        stop: &["<seed:eos>"],
    },
    ChatFormat {
        name: "bailing",
        marks: unless(&["<role>HUMAN</role>"], &["<|role_end|>"]),
        file: include_str!("formats/bailing.gotmpl"),
        stop: &["<role>", "<|endoftext|>"],
    },
    ChatFormat {
        name: "megrez",
        marks: marks(&["<|role_start|>", "<|turn_end|>"]),
        file: include_str!("formats/megrez.gotmpl"),
        stop: &["<|turn_end|>"],
    },
    ChatFormat {
        name: "minicpm",
        marks: marks(&["<用户>", "<AI>"]),
        file: include_str!("formats/minicpm.gotmpl"),
        stop: &["<用户>"],
    },
    ChatFormat {
        name: "nemotron-mini",
        marks: marks(&["<extra_id_0>", "<extra_id_1>"]),
        file: include_str!("formats/nemotron-mini.gotmpl"),
        stop: &["<extra_id_0>", "<extra_id_1>"],
    },
    ChatFormat {
        name: "openchat",
        marks: marks(&["GPT4 Correct "]),
        file: include_str!("formats/openchat.gotmpl"),
        stop: &["<|end_of_turn|>"],
    },
    ChatFormat {
        name: "alfred",
        marks: marks(&["<start_user>", "<end_message>"]),
        file: include_str!("formats/alfred.gotmpl"),
        stop: &["<start_system>", "<end_message>", "<start_user>", "<start_assistant>"],
    },
    ChatFormat {
        name: "codellama-70b-instruct",
        marks: marks(&["Source: ", "Destination: ", "<step>"]),
        file: include_str!("formats/codellama-70b-instruct.gotmpl"),
        stop: &["Source:", "Destination:", "<step>"],
    },
    ChatFormat {
        name: "magicoder",
        marks: marks(&["@@ Instruction", "@@ Response"]),
        file: include_str!("formats/magicoder.gotmpl"),
        stop: &["@@ Instruction", "@@ Response"],
    },
    ChatFormat {
        name: "alpaca",
        marks: marks(&["### Instruction:", "### Response:", "<|EOT|>"]),
        file: include_str!("formats/deepseek-coder.gotmpl"),
        stop: &["### Instruction:", "### Response", "<|EOT|>"],
    },
    ChatFormat {
        name: "alpaca",
        marks: marks(&["### Instruction:", "### Response:"]),
        file: include_str!("formats/alpaca.gotmpl"),
        stop: &["### Instruction:", "### Response"],
    },
    ChatFormat {
        name: "starcoder2-instruct",
        marks: marks(&["### Instruction", "### Response"]),
        file: include_str!("formats/starcoder2-instruct.gotmpl"),
        stop: &["### Instruction", "### Response", "<|endoftext|>"],
    },
    ChatFormat {
        name: "solar-instruct",
        marks: marks(&["### User:", "### Assistant:"]),
        file: include_str!("formats/solar-instruct.gotmpl"),
        stop: &["### System:", "### User:", "### Assistant"],
    },
    ChatFormat {
        name: "orca-vicuna",
        marks: unless(&["USER: ", "ASSISTANT:", "SYSTEM: "], &["<|"]),
        file: include_str!("formats/orca-vicuna.gotmpl"),
        stop: &["USER:", "ASSISTANT:", "SYSTEM:"],
    },
    ChatFormat {
        name: "vicuna",
        marks: unless(&["USER: ", "ASSISTANT:"], &["<|"]),
        file: include_str!("formats/vicuna.gotmpl"),
        stop: &["USER:", "ASSISTANT:"],
    },
    ChatFormat {
        name: "falcon-instruct",
        marks: unless(&["User:", "Falcon:"], &["<|"]),
        file: include_str!("formats/falcon-instruct.gotmpl"),
        stop: &["User:", "Falcon:"],
    },
    ChatFormat {
        name: "granite-instruct",
        marks: unless(&["Question:", "Answer:"], &["<|"]),
        file: include_str!("formats/granite-instruct.gotmpl"),
        stop: &["System:", "Question:", "Answer:"],
    },
    ChatFormat {
        name: "orion",
        marks: unless(&["Human: ", "Assistant: ", "eos_token"], &["<|"]),
        file: include_str!("formats/orion.gotmpl"),
        stop: &["Human:"],
    },
    ChatFormat {
        name: "chatqa",
        marks: unless(&["System: ", "User: ", "Assistant:"], &["<|"]),
        file: include_str!("formats/chatqa.gotmpl"),
        stop: &["System:", "User:", "Assistant:", "<|begin_of_text|>"],
    },
    ChatFormat {
        name: "chatqa",
        marks: unless(&["User: ", "Assistant: ", "eos_token"], &["<|"]),
        file: include_str!("formats/deepseek-v2.gotmpl"),
        stop: &["User:", "Assistant:", "<｜end▁of▁sentence｜>"],
    },
    ChatFormat {
        name: "alphamonarch",
        marks: unless(&["bos_token + message['role']"], &["'[INST]"]),
        file: include_str!("formats/alphamonarch.gotmpl"),
        stop: &["</s>", "<s>"],
    },
];
