// The subcommands of liere-bench: their options, and what each runs and prints.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

#include "core/check.h"

namespace liere {

/// Adds the subcommands to `app`; after parsing, `run()` does what was asked for, prints the figures and writes --json FILE; kDone, but for what the
/// doctor finds broken.
class BenchCommands {
 public:
  explicit BenchCommands(CLI::App& app);
  BenchCommands(const BenchCommands&) = delete;  // its commands refer to it
  BenchCommands& operator=(const BenchCommands&) = delete;
  ExitCode run();

 private:
  struct Command {
    CLI::App* parser;
    std::function<void()> body;
  };
  std::vector<Command> commands_;
  ExitCode exit_code_ = ExitCode::kDone;
};

}  // namespace liere
