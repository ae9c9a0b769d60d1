#include "data/recipe_sequence.h"

#include "core/check.h"
#include "data/recipe_picture.h"

namespace liere {
namespace {

class SequenceRecipe final : public Recipe {
 public:
  SequenceRecipe(const AugmentConfig& config, int64_t length) : row_(make_eval_recipe(config, 1, length)) {}
  Plan plan(const SourceInfo& info, Rng rng, int64_t view) const override { return row_->plan(info, rng, view); }
  FrameShape output_shape() const override { return row_->output_shape(); }
  int64_t axes() const override { return 1; }
  const Normalization& normalization() const override { return row_->normalization(); }

 private:
  std::unique_ptr<Recipe> row_;
};

}  // namespace

std::unique_ptr<Recipe> make_sequence_recipe(const AugmentConfig& c, int64_t length) {
  const char* set = c.rand_augment.kind != RandAugmentKind::kNone ? "rand_augment.kind" : c.three_augment ? "three_augment" : c.random_resized_crop.enabled ? "random_resized_crop.enabled"
                    : c.crop_padding > 0 ? "crop_padding" : c.flip > 0 ? "flip" : c.erasing > 0 ? "erasing" : nullptr;
  if (set) throw ConfigError(std::string("augment.") + set + " is set, but a sequence (data.kind: sequences) that is changed has another class. Leave it out.");
  return std::make_unique<SequenceRecipe>(c, length);
}

}  // namespace liere
