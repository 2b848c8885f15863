//! Formats that are not read, by the name people know them under.

use super::super::ConvertError;
use super::settings::Settings;
use super::tensors::Tensors;

/// Methods that are read; what their tensors are is told by the tensors themselves.
const READ: [&str; 11] = [
    "",
    "awq",
    "bitnet",
    "bitsandbytes",
    "compressed-tensors",
    "fbgemm_fp8",
    "fp8",
    "gptq",
    "mlx",
    "modelopt",
    "mxfp4",
];

/// Names of other methods as people write them.
const NAMES: [(&str, &str); 9] = [
    ("aqlm", "AQLM"),
    ("auto-round", "AutoRound"),
    ("eetq", "EETQ"),
    ("exl2", "ExLlamaV2"),
    ("exl3", "ExLlamaV3"),
    ("higgs", "HIGGS"),
    ("hqq", "HQQ"),
    ("quanto", "Quanto"),
    ("torchao", "torchao"),
];

/// Formats of compressed-tensors of which the weights are read.
const COMPRESSED: [&str; 9] = [
    "dense",
    "float-quantized",
    "int-quantized",
    "mixed-precision",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
    "naive-quantized",
    "nvfp4-pack-quantized",
    "pack-quantized",
];

fn refuse(format: String) -> ConvertError {
    ConvertError::ForeignQuantization { format }
}

/// Refuses a checkpoint by what its configuration says.
pub(super) fn check_method(settings: &Settings) -> Result<(), ConvertError> {
    let method = settings.method.as_str();
    if !READ.contains(&method) {
        let name = NAMES.iter().find(|(known, _)| *known == method).map_or(method, |(_, name)| name);
        return Err(refuse(format!("{name}-quantized weights")));
    }
    if let Some(format) = settings.text("format")?.filter(|_| method == "compressed-tensors")
        && !COMPRESSED.contains(&format)
    {
        return Err(refuse(format!("weights in the format {format} of compressed-tensors")));
    }
    Ok(())
}

/// Endings of the names of parts of packed weights, and who packs such.
const MARKS: [(&str, &str); 12] = [
    (".qweight", "GPTQ or AWQ"),
    (".g_idx", "GPTQ"),
    (".SCB", "bitsandbytes"),
    (".absmax", "bitsandbytes"),
    (".quant_map", "bitsandbytes"),
    (".W_q", "HQQ"),
    (".weight_scale_2", "ModelOpt"),
    (".pre_quant_scale", "ModelOpt's AWQ"),
    (".weight_global_scale", "compressed-tensors"),
    (".weight_packed", "compressed-tensors"),
    (".scales", "MLX"),
    (".biases", "MLX"),
];

/// Refuses a checkpoint by what no format has taken: weights whose packing no configuration explains.
pub(super) fn check_tensors(settings: &Settings, tensors: &Tensors<'_>) -> Result<(), ConvertError> {
    let left = MARKS.iter().find_map(|(mark, name)| Some((tensors.ending(mark).first()?.0, name)));
    let Some((tensor, name)) = left else { return Ok(()) };
    let reason = match settings.method.as_str() {
        "" => format!(
            "it is part of a weight packed by {name}, and config.json does not say how; add its \
             quantization_config"
        ),
        method => format!(
            "it is part of a weight packed by {name}, and the rest of it is missing or not what config.json \
             says ({method})"
        ),
    };
    Err(super::tensors::refuse(tensor, reason))
}
