//! The table of formats, most particular first: the first row whose marks are all there is the format.
//!
//! Sources: the chat templates that the models' authors publish, llama.cpp (`src/llama-chat.cpp`) for which
//! tokens tell formats apart, and Ollama (`template/index.json`) for names.

use super::format::ChatFormat;

pub(super) const FORMATS: &[ChatFormat] = &[
    ChatFormat::new("gpt-oss", include_str!("formats/gpt-oss.gotmpl"), &["<|return|>", "<|call|>"]).with(&[
        "<|start|>",
        "<|channel|>",
        "<|message|>",
    ]),
    ChatFormat::new("kimi-k2-thinking", include_str!("formats/kimi-k2-thinking.gotmpl"), &["<|im_end|>"])
        .with(&["<|im_middle|>", "<|im_user|>", "</think>"]),
    ChatFormat::new("kimi-k2", include_str!("formats/kimi-k2.gotmpl"), &["<|im_end|>"])
        .with(&["<|im_middle|>", "<|im_user|>"]),
    ChatFormat::new("phi-4", include_str!("formats/phi-4.gotmpl"), &["<|im_end|>", "<|im_start|>"])
        .with(&["<|im_start|>", "<|im_sep|>"]),
    ChatFormat::new("lfm2", include_str!("formats/lfm2.gotmpl"), &["<|im_end|>"])
        .with(&["<|im_start|>", "<|im_end|>"])
        .with_one_of(&["<|tool_list_start|>", "List of tools: "]),
    ChatFormat::new(
        "qwen3-thinking",
        include_str!("formats/qwen3-thinking.gotmpl"),
        &["<|im_start|>", "<|im_end|>"],
    )
    .with(&["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>"])
    .with_one_of(&["assistant\\n<think>\\n", "assistant\n<think>\n"])
    .without(&["<function=", "<arg_key>"]),
    ChatFormat::new(
        "qwen3-with-tools",
        include_str!("formats/qwen3-with-tools.gotmpl"),
        &["<|im_start|>", "<|im_end|>"],
    )
    .with(&["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>", "</think>"])
    .without(&["<function=", "<arg_key>"]),
    ChatFormat::new(
        "qwen-with-tools",
        include_str!("formats/qwen-with-tools.gotmpl"),
        &["<|im_start|>", "<|im_end|>"],
    )
    .with(&["<|im_start|>", "<|im_end|>", "<tool_call>", "<tools>"])
    .without(&["<function=", "<arg_key>"]),
    ChatFormat::new("chatml", include_str!("formats/chatml.gotmpl"), &["<|im_start|>", "<|im_end|>"])
        .with(&["<|im_start|>", "<|im_end|>"]),
    ChatFormat::new("mistral-v7-tekken", include_str!("formats/mistral-v7-tekken.gotmpl"), &["[INST]"])
        .with(&["[INST]", "[SYSTEM_PROMPT]"])
        .without(&["[SYSTEM_PROMPT] ", "[THINK]"]),
    ChatFormat::new("mistral-v7", include_str!("formats/mistral-v7.gotmpl"), &["[INST]"])
        .with(&["[INST]", "[SYSTEM_PROMPT] "]),
    ChatFormat::new("mistral-v3", include_str!("formats/mistral-v3.gotmpl"), &["[INST]"])
        .with(&["[INST] ", "[AVAILABLE_TOOLS]"])
        .without(&["[SYSTEM_PROMPT]"]),
    ChatFormat::new("mistral-v3-tekken", include_str!("formats/mistral-v3-tekken.gotmpl"), &["[INST]"])
        .with(&["[INST]", "[AVAILABLE_TOOLS]"])
        .without(&["[SYSTEM_PROMPT]"]),
    ChatFormat::new(
        "llama2-chat",
        include_str!("formats/llama2-chat.gotmpl"),
        &["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    )
    .with(&["[INST]", "<<SYS>>"]),
    ChatFormat::new(
        "mistral-instruct",
        include_str!("formats/mistral-instruct.gotmpl"),
        &["[INST]", "[/INST]"],
    )
    .with(&["[INST]", "[/INST]"])
    .without(&["[SYSTEM_PROMPT]"]),
    ChatFormat::new(
        "llama3-instruct",
        include_str!("formats/llama3-with-tools.gotmpl"),
        &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    )
    .with(&["<|start_header_id|>", "<|end_header_id|>", "ipython"])
    .without(&["<function=", ">>>"]),
    ChatFormat::new(
        "llama3-instruct",
        include_str!("formats/llama3-instruct.gotmpl"),
        &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    )
    .with(&["<|start_header_id|>", "<|end_header_id|>"])
    .without(&[">>>", "UNSAFE CONTENT"]),
    ChatFormat::new("llama4", include_str!("formats/llama4.gotmpl"), &["<|header_start|>", "<|eot|>"])
        .with(&["<|header_start|>", "<|header_end|>"]),
    ChatFormat::new(
        "phi-4-mini",
        include_str!("formats/phi-4-mini.gotmpl"),
        &["<|end|>", "<|user|>", "<|assistant|>"],
    )
    .with(&["<|end|>", "<|tool|>"])
    .without(&["<|content|>"]),
    ChatFormat::new(
        "phi-3",
        include_str!("formats/phi-3.gotmpl"),
        &["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
    )
    .with(&["<|end|>"])
    .with_one_of(&["<|assistant|>", "'<|' + message"])
    .without(&["<|start|>", "<|begin|>", "<|content|>", "<|begin_user|>"]),
    ChatFormat::new(
        "glm-4.7",
        include_str!("formats/glm-4.7.gotmpl"),
        &["<|user|>", "<|observation|>", "<|endoftext|>"],
    )
    .with(&["[gMASK]<sop>", "<|user|>{{", "</think>"]),
    ChatFormat::new(
        "glm-4.5",
        include_str!("formats/glm-4.5.gotmpl"),
        &["<|user|>", "<|observation|>", "<|endoftext|>"],
    )
    .with(&["[gMASK]<sop>", "<|assistant|>", "</think>"]),
    ChatFormat::new(
        "glm-4",
        include_str!("formats/glm-4.gotmpl"),
        &["<|user|>", "<|observation|>", "<|endoftext|>"],
    )
    .with(&["[gMASK]<sop>"])
    .with_one_of(&["<|assistant|>"]),
    ChatFormat::new("chatglm3", include_str!("formats/chatglm3.gotmpl"), &["<|user|>", "<|observation|>"])
        .with(&["[gMASK]sop"]),
    ChatFormat::new("exaone-deep", include_str!("formats/exaone-deep.gotmpl"), &["[|endofturn|]"])
        .with(&["[|assistant|]", "[|endofturn|]", "<thought>"])
        .without(&["[|tool|]"]),
    ChatFormat::new("exaone", include_str!("formats/exaone.gotmpl"), &["[|endofturn|]"])
        .with(&["[|assistant|]", "[|endofturn|]"])
        .without(&["[|tool|]"]),
    ChatFormat::new(
        "granite-vision",
        include_str!("formats/granite-vision.gotmpl"),
        &["<|user|>", "<|end_of_text|>"],
    )
    .with(&["<|user|>", "<|assistant|>", "<|end_of_text|>"]),
    ChatFormat::new(
        "stablelm-zephyr",
        include_str!("formats/stablelm-zephyr.gotmpl"),
        &["<|user|>", "<|endoftext|>"],
    )
    .with(&["<|user|>", "<|assistant|>", "<|endoftext|>"]),
    ChatFormat::new(
        "zephyr",
        include_str!("formats/tulu.gotmpl"),
        &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    )
    .with(&["<|user|>", "<|assistant|>"])
    .with_one_of(&[
        "<|user|>\\n' + message['content'] + '\\n'",
        "<|user|>\n' + message['content'] + '\n'",
        "<|user|>\\n' + message['content'] }}",
        "<|user|>\n' + message['content'] }}",
    ])
    .without(&["<|end|>"]),
    ChatFormat::new(
        "zephyr",
        include_str!("formats/zephyr.gotmpl"),
        &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    )
    .with(&["<|user|>", "<|assistant|>"])
    .with_one_of(&["eos_token", "</s>"])
    .without(&["<|end|>", "[gMASK]", "<tool_call>"]),
    ChatFormat::new(
        "zephyr",
        include_str!("formats/zephyr.gotmpl"),
        &["<|system|>", "</s>", "<|user|>", "<|assistant|>"],
    )
    .with(&["'<|' + message['role'] + '|>", "<|assistant|>", "eos_token"])
    .without(&["<|end|>"]),
    ChatFormat::new(
        "glm-edge",
        include_str!("formats/glm-edge.gotmpl"),
        &["<|user|>", "<|system|>", "<|endoftext|>"],
    )
    .with(&["<|user|>", "<|assistant|>", "<|system|>"])
    .without(&["<|end|>", "eos_token", "</s>", "<tool_call>", "[|"]),
    ChatFormat::new("gemma3-instruct", include_str!("formats/gemma-instruct.gotmpl"), &["<end_of_turn>"])
        .with(&["<start_of_turn>"])
        .with_one_of(&["first_user_prefix", "<start_of_image>", "image_soft_token"]),
    ChatFormat::new(
        "gemma-instruct",
        include_str!("formats/gemma-instruct.gotmpl"),
        &["<start_of_turn>", "<end_of_turn>"],
    )
    .with(&["<start_of_turn>", "<end_of_turn>"])
    .without(&["guideline"]),
    ChatFormat::new("gemma4", include_str!("formats/gemma4.gotmpl"), &["<turn|>"])
        .with(&["<|turn>", "<turn|>"]),
    ChatFormat::new(
        "command-r7b",
        include_str!("formats/command-r7b.gotmpl"),
        &["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>"],
    )
    .with(&["<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|START_RESPONSE|>"]),
    ChatFormat::new(
        "command-r",
        include_str!("formats/command-r.gotmpl"),
        &["<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"],
    )
    .with(&["<|START_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>"])
    .without(&["<|START_TEXT|>"]),
    ChatFormat::new(
        "deepseek-v3.1",
        include_str!("formats/deepseek-v3.1.gotmpl"),
        &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    )
    .with(&["<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>"])
    .with_one_of(&["'</think>'}}", "<｜Assistant｜></think>", "<think></think>"]),
    ChatFormat::new(
        "deepseek-r1",
        include_str!("formats/deepseek-r1.gotmpl"),
        &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    )
    .with(&["<｜User｜>", "<｜Assistant｜>", "</think>"])
    .with_one_of(&["<think>\\n", "<think>\n"])
    .without(&["DSML"]),
    ChatFormat::new(
        "deepseek-r1",
        include_str!("formats/deepseek-v3.gotmpl"),
        &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    )
    .with(&["<｜User｜>", "<｜Assistant｜>", "</think>"])
    .without(&["DSML"]),
    ChatFormat::new(
        "deepseek-v3",
        include_str!("formats/deepseek-v3.gotmpl"),
        &["<｜end▁of▁sentence｜>", "<｜User｜>"],
    )
    .with(&["<｜User｜>", "<｜Assistant｜>"])
    .without(&["DSML"]),
    ChatFormat::new(
        "granite4-instruct",
        include_str!("formats/granite4-instruct.gotmpl"),
        &["<|end_of_text|>", "<|start_of_role|>"],
    )
    .with(&["<|start_of_role|>", "<tool_call>", "<tools>"]),
    ChatFormat::new(
        "granite3-instruct",
        include_str!("formats/granite3-instruct.gotmpl"),
        &["<|end_of_text|>", "<|start_of_role|>"],
    )
    .with(&["<|start_of_role|>", "<|end_of_role|>"])
    .without(&["guardian_config"]),
    ChatFormat::new("seed-oss", include_str!("formats/seed-oss.gotmpl"), &["<seed:eos>"])
        .with(&["<seed:bos>"]),
    ChatFormat::new("bailing", include_str!("formats/bailing.gotmpl"), &["<role>", "<|endoftext|>"])
        .with(&["<role>HUMAN</role>"])
        .without(&["<|role_end|>"]),
    ChatFormat::new("megrez", include_str!("formats/megrez.gotmpl"), &["<|turn_end|>"])
        .with(&["<|role_start|>", "<|turn_end|>"]),
    ChatFormat::new("minicpm", include_str!("formats/minicpm.gotmpl"), &["<用户>"]).with(&["<用户>", "<AI>"]),
    ChatFormat::new(
        "nemotron-mini",
        include_str!("formats/nemotron-mini.gotmpl"),
        &["<extra_id_0>", "<extra_id_1>"],
    )
    .with(&["<extra_id_0>", "<extra_id_1>"]),
    ChatFormat::new("openchat", include_str!("formats/openchat.gotmpl"), &["<|end_of_turn|>"])
        .with(&["GPT4 Correct "]),
    ChatFormat::new(
        "alfred",
        include_str!("formats/alfred.gotmpl"),
        &["<start_system>", "<end_message>", "<start_user>", "<start_assistant>"],
    )
    .with(&["<start_user>", "<end_message>"]),
    ChatFormat::new(
        "codellama-70b-instruct",
        include_str!("formats/codellama-70b-instruct.gotmpl"),
        &["Source:", "Destination:", "<step>"],
    )
    .with(&["Source: ", "Destination: ", "<step>"]),
    ChatFormat::new(
        "magicoder",
        include_str!("formats/magicoder.gotmpl"),
        &["@@ Instruction", "@@ Response"],
    )
    .with(&["@@ Instruction", "@@ Response"]),
    ChatFormat::new(
        "alpaca",
        include_str!("formats/deepseek-coder.gotmpl"),
        &["### Instruction:", "### Response", "<|EOT|>"],
    )
    .with(&["### Instruction:", "### Response:", "<|EOT|>"]),
    ChatFormat::new("alpaca", include_str!("formats/alpaca.gotmpl"), &["### Instruction:", "### Response"])
        .with(&["### Instruction:", "### Response:"]),
    ChatFormat::new(
        "starcoder2-instruct",
        include_str!("formats/starcoder2-instruct.gotmpl"),
        &["### Instruction", "### Response", "<|endoftext|>"],
    )
    .with(&["### Instruction", "### Response"]),
    ChatFormat::new(
        "solar-instruct",
        include_str!("formats/solar-instruct.gotmpl"),
        &["### System:", "### User:", "### Assistant"],
    )
    .with(&["### User:", "### Assistant:"]),
    ChatFormat::new(
        "orca-vicuna",
        include_str!("formats/orca-vicuna.gotmpl"),
        &["USER:", "ASSISTANT:", "SYSTEM:"],
    )
    .with(&["USER: ", "ASSISTANT:", "SYSTEM: "])
    .without(&["<|"]),
    ChatFormat::new("vicuna", include_str!("formats/vicuna.gotmpl"), &["USER:", "ASSISTANT:"])
        .with(&["USER: ", "ASSISTANT:"])
        .without(&["<|"]),
    ChatFormat::new("falcon-instruct", include_str!("formats/falcon-instruct.gotmpl"), &["User:", "Falcon:"])
        .with(&["User:", "Falcon:"])
        .without(&["<|"]),
    ChatFormat::new(
        "granite-instruct",
        include_str!("formats/granite-instruct.gotmpl"),
        &["System:", "Question:", "Answer:"],
    )
    .with(&["Question:", "Answer:"])
    .without(&["<|"]),
    ChatFormat::new("orion", include_str!("formats/orion.gotmpl"), &["Human:"])
        .with(&["Human: ", "Assistant: ", "eos_token"])
        .without(&["<|"]),
    ChatFormat::new(
        "chatqa",
        include_str!("formats/chatqa.gotmpl"),
        &["System:", "User:", "Assistant:", "<|begin_of_text|>"],
    )
    .with(&["System: ", "User: ", "Assistant:"])
    .without(&["<|"]),
    ChatFormat::new(
        "chatqa",
        include_str!("formats/deepseek-v2.gotmpl"),
        &["User:", "Assistant:", "<｜end▁of▁sentence｜>"],
    )
    .with(&["User: ", "Assistant: ", "eos_token"])
    .without(&["<|"]),
    ChatFormat::new("alphamonarch", include_str!("formats/alphamonarch.gotmpl"), &["</s>", "<s>"])
        .with(&["bos_token + message['role']"])
        .without(&["'[INST]"]),
];
