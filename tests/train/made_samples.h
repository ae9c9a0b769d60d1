// Made data for the loader's tests: pictures whose pixels tell their index, and a recipe whose draws tell their stream.
#pragma once

#include "data/loader.h"

#include <unistd.h>
#include <xxhash.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <thread>

#include "core/check.h"
#include "core/control_group.h"
#include "support/catch.h"

namespace liere::test {

// Picture i holds (i * 7 + position) mod 256; its label is i mod 10. Samples take unequal time, so that threads overtake each other.
class MadeDataset : public Dataset {
 public:
  explicit MadeDataset(int64_t size, bool uneven = false) : size_(size), uneven_(uneven) {}
  int64_t size() const override { return size_; }
  int64_t label(int64_t index) const override { return index % 10; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::string describe() const override { return "made pictures"; }

  std::unique_ptr<Source> open(int64_t index) const override {
    if (index == bad_open) throw std::runtime_error("no such file");
    ++opened;
    return std::make_unique<MadeSource>(*this, index);
  }

  int64_t bad_open = -1, bad_decode = -1;
  std::set<int64_t> unreadable;
  mutable std::atomic<int64_t> opened = 0;

 private:
  class MadeSource : public Source {
   public:
    MadeSource(const MadeDataset& dataset, int64_t index) : dataset_(dataset), index_(index) {}
    SourceInfo info() const override { return {{1, 6, 5, 3}, index_ % 10, "made[" + std::to_string(index_) + "]"}; }
    Frames decode(const Request& request) const override {
      if (index_ == dataset_.bad_decode || dataset_.unreadable.count(index_)) throw DataError("unexpected end of the picture");
      if (dataset_.uneven_ && index_ % 11 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      Frames frames(PixelType::kU8, info().shape);
      for (size_t i = 0; i < frames.size_bytes(); ++i) frames.u8()[i] = static_cast<uint8_t>(index_ * 7 + i);
      return frames;
    }

   private:
    const MadeDataset& dataset_;
    int64_t index_;
  };

  int64_t size_;
  bool uneven_;
  std::vector<std::string> names_ = std::vector<std::string>(10, "class");
};

// Cuts a random 4 x 4 window and adds a random value: what an augmentation does with its stream. View v adds v more.
class MadeRecipe : public Recipe {
 public:
  explicit MadeRecipe(int64_t frames = 1) : frames_(frames) {}
  Plan plan(const SourceInfo& info, Rng rng, int64_t view) const override {
    const int64_t top = rng.integer(3), left = rng.integer(2), shift = rng.integer(256) + view;
    return {{}, [=, count = frames_](Frames in) {
              Frames out(PixelType::kU8, {count, 4, 4, 3});
              for (int64_t t = 0; t < count; ++t)
                for (int64_t y = 0; y < 4; ++y)
                  for (int64_t x = 0; x < 4; ++x)
                    for (int64_t c = 0; c < 3; ++c)
                      out.u8()[((t * 4 + y) * 4 + x) * 3 + c] = static_cast<uint8_t>(in.u8()[((top + y) * 5 + left + x) * 3 + c] + shift + t);
              return out;
            }};
  }
  FrameShape output_shape() const override { return {frames_ + (lies ? 1 : 0), 4, 4, 3}; }
  const Normalization& normalization() const override { return normalization_; }

  bool lies = false;

 private:
  int64_t frames_;
  Normalization normalization_{{0.5f, 0.25f, 0.125f}, {0.5f, 1.0f, 2.0f}};
};

// Training batches of `rows` over `epochs` of a set, in an order of their own per epoch; the last of an epoch may be short.
inline WorkPlan training_plan(int64_t size, int64_t rows, int64_t epochs) {
  return [=](int64_t n) -> std::optional<WorkItem> {
    const int64_t steps = (size + rows - 1) / rows, epoch = n / steps, first = n % steps * rows;
    if (epoch >= epochs) return std::nullopt;
    WorkItem work;
    work.epoch = static_cast<uint32_t>(epoch);
    const auto order = Rng(3, Purpose::kOrder, work.epoch).permutation(size);
    for (int64_t i = first; i < std::min(first + rows, size); ++i) {
      work.indices.push_back(order[i]);
      work.slots.push_back(i - first);
    }
    return work;
  };
}

inline uint64_t digest(const torch::Tensor& x, uint64_t seed) {
  const auto shape = x.sizes().vec();
  seed = XXH3_64bits_withSeed(shape.data(), shape.size() * sizeof(int64_t), seed);
  return XXH3_64bits_withSeed(x.const_data_ptr(), x.nbytes(), seed);
}

// Digest of all batches, and their number.
inline std::pair<uint64_t, int64_t> digest_all(Loader& loader) {
  uint64_t hash = 0;
  int64_t count = 0;
  for (; auto batch = loader.next(); ++count)
    for (const auto& tensor : {batch->input, batch->labels_B, batch->weights_B, batch->indices_B, batch->views_B, batch->slots_B})
      hash = digest(tensor, hash);
  return {hash, count};
}

inline std::string message_of(Loader& loader, int64_t& delivered) {
  try {
    for (; loader.next(); ++delivered) {
    }
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

// Waits until the loader has opened this many samples (a busy machine may take its time), then long enough to see it open more.
inline int64_t opened_once_settled(const MadeDataset& dataset, int64_t expected) {
  for (int i = 0; i < 5000 && dataset.opened < expected; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  return dataset.opened;
}

inline double resident_mebibytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / (1 << 20);
}


}  // namespace liere::test
