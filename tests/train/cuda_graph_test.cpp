// A recorded step on a GPU: the run of a model whose steps are queued as CUDA graphs beside that of one whose steps are queued anew.
#include "support/catch.h"
#include "tiny_run.h"

using namespace liere;
using namespace liere::test;

namespace {

std::vector<StepReport> steps_of(const std::filesystem::path& run, const std::vector<std::string>& overrides, bool recorded) {
  Trainer trainer(tiny_run(run, overrides + std::vector<std::string>{"device=cuda"}), torch::Device(torch::kCUDA, 0));
  trainer.set_recorded(recorded);
  std::vector<StepReport> reports;
  for (int64_t step = 0; step < trainer.total_steps(); ++step) reports.push_back(trainer.step_once());
  return reports;
}

}  // namespace

TEST_CASE("cuda: recorded steps have the losses, norms and rates of steps queued one by one, incomplete batches between", "[gpu]") {
  if (!torch::cuda::is_available()) {
    std::puts("skipped: this machine has no GPU that LibTorch can use.");
    return;
  }
  const std::vector<std::string> common = {"clip.norm=0.5", "loss.label_smoothing=0.1", "ema.decay=0.9", "model.heads=1", "model.width=64", "train.epochs=4"};
  for (const char* variant : {"model.position.kind=absolute", "model.position.kind=rope_mixed", "model.position.block_size=8", "model.position.block_size=64", "train.precision=bf16", "train.micro_batch=8",
                              "train.activation_checkpointing=true", "model.drop_path=0.2"}) {
    INFO(variant);
    TemporaryFolder folder;
    const auto overrides = common + std::vector<std::string>{variant};
    const auto queued = steps_of(folder.path() / "queued", overrides, false), recorded = steps_of(folder.path() / "recorded", overrides, true);
    REQUIRE(queued.size() == recorded.size());
    for (size_t i = 0; i < queued.size(); ++i) {
      INFO("step " << i + 1);
      CHECK(recorded[i].loss == Approx(queued[i].loss).epsilon(2e-5));
      CHECK(recorded[i].gradient_norm == Approx(queued[i].gradient_norm).epsilon(2e-4));
      CHECK(recorded[i].lr == queued[i].lr);
      CHECK(recorded[i].skipped == queued[i].skipped);
    }
  }
}
