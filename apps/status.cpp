// liere-status: writes the status table into docs/reproduce.md, or says that it is not what the records give. For the source tree alone: not
// installed.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"
#include "status/table.h"

int main(int argc, char** argv) {
  std::filesystem::path source = ".";
  bool check = false;
  CLI::App app("The status table of docs/reproduce.md, from configs/, docs/results/results.yaml and docs/results/costs.yaml.", "liere-status");
  app.footer(
      "Exit codes: 0 done, 1 the table is not up to date (--check) or cannot be written, 2 wrong arguments or records. scripts/status.sh renews "
      "costs and table.");
  app.add_option("SOURCE", source, "the source tree")->capture_default_str();
  app.add_flag("--check", check, "write nothing; end with 1 where the page is not what would be written");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(liere::ExitCode::kConfiguration);
  }
  return liere::run_command([&] {
    using namespace liere::status;
    const auto page = source / "docs/reproduce.md", records = source / "docs/results";
    if (!std::filesystem::is_regular_file(page) || !std::filesystem::is_directory(source / "configs/sweeps"))
      throw liere::ConfigError("'" + source.string() +
                               "' is not liere's source tree: expected docs/reproduce.md and configs/sweeps in it. Name it as the argument.");
    const std::string before = liere::read_file(page);
    const std::string after =
        with_status(before, status_text(read_cells(source / "configs"), read_results(records / "results.yaml"), read_costs(records / "costs.yaml")));
    if (check && before != after)
      throw liere::Error(liere::ExitCode::kFailure,
                         page.string() + " holds another status table than the records give. Renew it with scripts/status.sh.");
    if (!check && before != after) liere::write_file_atomically(page, after);
    liere::log_info(page.string() + (before == after ? " is up to date." : " was renewed."));
    return 0;
  });
}
