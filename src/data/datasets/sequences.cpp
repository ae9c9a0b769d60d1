#include "data/datasets/sequences.h"

#include "core/check.h"
#include "core/log.h"
#include "core/rng.h"
#include "data/datasets/picture_request.h"

namespace liere {
namespace {

constexpr int64_t kSymbols = 6;
constexpr uint8_t kA = 6, kB = 7;

Rng stream(const SequencesConfig& config, Split split, int64_t index) {
  return Rng(config.seed, Purpose::kSequences, split == Split::kTrain ? 0 : 1, static_cast<uint32_t>(index));
}

std::string name_of(Split split) { return split == Split::kTrain ? "sequences train" : "sequences test"; }

class Row final : public Source {
 public:
  Row(const SequencesConfig& config, Split split, int64_t index, int64_t length, int64_t label) : config_(config), split_(split), index_(index), length_(length), label_(label) {}

  SourceInfo info() const override { return {{1, 1, length_, 3}, label_, name_of(split_) + " " + std::to_string(index_)}; }

  Frames decode(const Request& request) const override {
    const Box box = picture_box(info(), request);
    const auto sequence = arrange_sequence(config_, split_, index_, length_);
    Frames frames(PixelType::kU8, {1, box.height, box.width, 3});
    for (int64_t i = 0; i < box.width; ++i)
      for (int64_t bit = 0; bit < 3; ++bit) frames.u8()[i * 3 + bit] = (sequence.tokens[static_cast<size_t>(box.left + i)] >> bit & 1) * 255;
    return frames;
  }

 private:
  const SequencesConfig& config_;
  Split split_;
  int64_t index_, length_, label_;
};

class Sequences final : public Dataset {
 public:
  Sequences(const SequencesConfig& config, Split split, int64_t length) : config_(config), split_(split), length_(length) {
    for (int64_t d = 1; d <= config.distances; ++d) classes_.push_back(std::to_string(d));
  }

  int64_t size() const override { return split_ == Split::kTrain ? config_.train_size : config_.test_size; }
  int64_t label(int64_t index) const override {
    check_index(index, size(), name_of(split_));
    return stream(config_, split_, index).integer(config_.distances);
  }
  std::unique_ptr<Source> open(int64_t index) const override { return std::make_unique<Row>(config_, split_, index, length_, label(index)); }
  const std::vector<std::string>& class_names() const override { return classes_; }
  std::string describe() const override {
    return name_of(split_) + ": " + format_count(size()) + " sequences of " + std::to_string(length_) + " tokens, the distance of two markers, " + std::to_string(config_.distances) + " classes, drawn from data.seed " +
           std::to_string(config_.seed);
  }

 private:
  SequencesConfig config_;
  Split split_;
  int64_t length_;
  std::vector<std::string> classes_;
};

}  // namespace

Sequence arrange_sequence(const SequencesConfig& config, Split split, int64_t index, int64_t length) {
  Rng rng = stream(config, split, index);
  Sequence sequence;
  sequence.distance = 1 + rng.integer(config.distances);  // first: Dataset::label draws nothing else
  const int64_t a = rng.integer(length - config.distances);  // of all classes alike
  sequence.tokens.resize(static_cast<size_t>(length));
  for (auto& token : sequence.tokens) token = static_cast<uint8_t>(rng.integer(kSymbols));
  sequence.tokens[static_cast<size_t>(a)] = kA;
  sequence.tokens[static_cast<size_t>(a + sequence.distance)] = kB;
  return sequence;
}

std::unique_ptr<Dataset> make_sequences(const SequencesConfig& config, Split split) { return make_sequences(config, split, config.length); }

std::unique_ptr<Dataset> make_sequences(const SequencesConfig& config, Split split, int64_t length) {
  if (length <= config.distances)
    throw ConfigError("data.distances is " + std::to_string(config.distances) + ", but a sequence has " + std::to_string(length) + " tokens: expected more tokens than distances. Raise data.length or lower data.distances.");
  return std::make_unique<Sequences>(config, split, length);
}

}  // namespace liere
