// The subcommands of liere-bench: their options, and what each runs and prints.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

namespace liere {

/// Adds the subcommands to `app`; after parsing, `run()` does what was asked for, prints the figures and writes --json FILE.
class BenchCommands {
 public:
  explicit BenchCommands(CLI::App& app);
  void run() const;

 private:
  struct Command {
    CLI::App* parser;
    std::function<void()> body;
  };
  std::vector<Command> commands_;
};

}  // namespace liere
