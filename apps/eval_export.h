// liere-eval export: the weights under the names of another program.
#pragma once

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "train/weights_export.h"

namespace liere {

struct ExportCommand {
  CLI::App* parser = nullptr;
  std::string checkpoint, file, format = "timm";
  std::vector<std::string> overrides;

  explicit ExportCommand(CLI::App& app) {
    parser = app.add_subcommand("export", "write the weights under the names of another program");
    parser->add_option("-k,--checkpoint", checkpoint, "run folder (its newest checkpoint) or checkpoint file")->required();
    parser->add_option("--format", format, "timm: its VisionTransformer")->check(CLI::IsMember({"timm"}))->capture_default_str();
    parser->add_option("-o,--output", file, "the safetensors file to write")->required();
    parser->add_option("overrides", overrides, "eval.weights=ema for the moving average")->type_name("KEY=VALUE");
  }

  int run() const {
    std::cout << describe_export(export_timm(checkpoint, overrides, file), file);
    return 0;
  }
};

}  // namespace liere
