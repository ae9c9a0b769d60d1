// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) for host and device code.
// Ten rounds of: (hi, lo) products of words 0 and 2 with two odd constants, swapped and xored with words 1, 3 and the key;
// the key advances by the golden ratio and sqrt(3) - 1 between rounds. One block = four 32-bit words, a pure function of counter and key.
// Includes nothing but <cstdint>, so that .cu files may use it; core/rng.h is the interface for everything on the host.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define LIERE_HOST_DEVICE __host__ __device__
#else
#define LIERE_HOST_DEVICE
#endif

namespace liere {

struct PhiloxBlock {
  uint32_t word[4];
};

/// The block of counter (c0, c1, c2, c3) under `key`; the key's low 32 bits are Philox's first key word.
LIERE_HOST_DEVICE constexpr PhiloxBlock philox_block(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p2 = uint64_t(0xCD9E8D57u) * c2;
    const uint32_t n0 = static_cast<uint32_t>(p2 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p2);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return PhiloxBlock{{c0, c1, c2, c3}};
}

}  // namespace liere
