// liere-data: what is in a data set - browse (a PNG of samples), verify (is it sound and the published one), stats (classes, mean, deviation), prepare (archives become a set), series (of DICOM files).
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/check.h"
#include "core/config.h"
#include "core/signals.h"
#include "data/browse.h"
#include "data/data_keys.h"
#include "data/datasets/factory.h"
#include "data/inspect.h"
#include "data/png.h"
#include "data/recipes.h"
#include "data_sources.h"

using namespace liere;

namespace {

struct Options {
  std::string config, split = "train", output = "browse.png", json;
  std::vector<std::string> overrides;
  int64_t count = 32, first = 0, pixel_samples = 50000;
  bool augmented = false;
  SourceOptions sources;
};

DataKeys read_keys(const Options& options) { return read_data_keys(load_config(find_config(options.config), options.overrides)); }

void browse(const Options& options) {
  const DataKeys keys = read_keys(options);
  const auto dataset = make_dataset(keys.data.dataset, options.split == "train" ? Split::kTrain : options.split == "test" ? Split::kTest : Split::kValidation);
  const auto recipe = options.augmented ? make_train_recipe(keys.data.dataset, keys.augment, keys.input_size) : nullptr;
  write_png(options.output, contact_sheet(*dataset, options.first, options.count, recipe.get(), keys.seed));
  std::printf("%s\nwritten to %s: %s samples from number %ld on\n", dataset->describe().c_str(), options.output.c_str(), options.augmented ? "augmented" : "stored", long(options.first));
}

void add_common_options(CLI::App* command, Options& options) {
  command->add_option("--config", options.config, "experiment file, or its name in configs/")->required();
  command->add_option("overrides", options.overrides, "key=value pairs that replace values of the file");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Looks into the data set of an experiment, or prepares one. Exit codes: 0 done, 2 configuration, 3 data, 75 stopped (run it again to go on).", "liere-data");
  app.footer("Example:\n  liere-data browse --config arrows_demo_liere.yaml --count 16 --output samples.png");
  app.require_subcommand(1);
  CLI::App* browse_command = app.add_subcommand("browse", "write a PNG with samples and their class names");
  browse_command->add_option("--split", options.split, "train, test, or validation where the data have one")->check(CLI::IsMember({"train", "test", "validation"}))->capture_default_str();
  browse_command->add_option("--count", options.count, "samples to show")->check(CLI::Range(1, 1024))->capture_default_str();
  browse_command->add_option("--first", options.first, "index of the first sample")->check(CLI::NonNegativeNumber)->capture_default_str();
  browse_command->add_option("--output", options.output, "file to write")->capture_default_str();
  browse_command->add_flag("--augmented", options.augmented, "show them after the training augmentation");
  CLI::App* verify_command = app.add_subcommand("verify", "check counts, labels and MD5 of both splits against the published data, and decode every picture");
  CLI::App* stats_command = app.add_subcommand("stats", "count classes and compute mean and deviation of the pixels");
  stats_command->add_option("--count", options.pixel_samples, "samples per split whose pixels are read")->check(CLI::PositiveNumber)->capture_default_str();
  add_source_commands(app, options.sources);
  for (CLI::App* command : {verify_command, stats_command}) command->add_option("--json", options.json, "write the figures to this file too");
  for (CLI::App* command : {browse_command, verify_command, stats_command}) add_common_options(command, options);
  return run_command([&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& request) {
      return app.exit(request);
    } catch (const CLI::ParseError& error) {
      const bool typo = argc > 1 && argv[1][0] != '-' && app.get_subcommands().empty();
      throw ConfigError((typo ? "Unknown command '" + std::string(argv[1]) + "', expected browse, verify, stats, prepare or series" : error.what()) +
                        " (liere-data --help lists commands and options).");
    }
    install_stop_signals();
    run_source_commands(app, options.sources);
    if (browse_command->parsed()) browse(options);
    if (stats_command->parsed()) inspect(read_keys(options).data.dataset, {.pixel_samples = options.pixel_samples, .json = options.json});
    if (verify_command->parsed()) inspect(read_keys(options).data.dataset, {.verify = true, .json = options.json});
    return 0;
  });
}
