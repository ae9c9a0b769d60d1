# LibTorch from the PyPI wheel, as imported targets of our own: the wheel's own CMake package stops on a machine without a CUDA toolkit.
# LIERE_TORCH is the torch package's folder (with include/ and lib/libtorch_cpu.so); the default is .venv's. docs/architecture.md says why.
set(LIERE_TORCH "$ENV{LIERE_TORCH}" CACHE PATH "folder of the torch package: include/ and lib/libtorch_cpu.so")
if(NOT LIERE_TORCH)
  file(GLOB candidates ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(GET candidates 0 LIERE_TORCH)
endif()
if(NOT EXISTS ${LIERE_TORCH}/lib/libtorch_cpu.so OR NOT EXISTS ${LIERE_TORCH}/include/torch/csrc/api/include/torch/torch.h)
  message(FATAL_ERROR "LibTorch was not found in '${LIERE_TORCH}' (expected include/ and lib/libtorch_cpu.so). Run scripts/setup.sh, or set LIERE_TORCH to the folder of an installed torch package.")
endif()
set(LIERE_TORCH_VERSION_HEADER ${LIERE_TORCH}/include/torch/headeronly/version.h)
if(NOT EXISTS ${LIERE_TORCH_VERSION_HEADER})
  message(FATAL_ERROR "LibTorch in '${LIERE_TORCH}' is too old: 2.11 or newer is needed (include/torch/headeronly/version.h is missing). Remove it and run scripts/setup.sh.")
endif()
file(READ ${LIERE_TORCH_VERSION_HEADER} version_text)
string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" unused "${version_text}")
set(LIERE_TORCH_VERSION ${CMAKE_MATCH_1})
string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" unused "${version_text}")
string(APPEND LIERE_TORCH_VERSION .${CMAKE_MATCH_1})
if(LIERE_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "LibTorch ${LIERE_TORCH_VERSION} in '${LIERE_TORCH}' is too old: 2.11 or newer is needed. Remove it and run scripts/setup.sh.")
endif()
message(STATUS "LibTorch ${LIERE_TORCH_VERSION} in ${LIERE_TORCH}")

# The wheel's folder of NVIDIA packages lies beside torch/: libtorch_cpu.so of PyPI's build needs libcudart and libcupti even without a GPU.
get_filename_component(LIERE_TORCH_SITE ${LIERE_TORCH}/.. ABSOLUTE)
find_library(LIERE_TORCH_CUDART NAMES libcudart.so.13 libcudart.so.12 PATHS ${LIERE_TORCH_SITE}/nvidia/cu13/lib ${LIERE_TORCH_SITE}/nvidia/cuda_runtime/lib NO_DEFAULT_PATH)

find_library(LIERE_TORCH_GOMP NAMES libgomp.so.1 PATHS ${LIERE_TORCH}/lib NO_DEFAULT_PATH)
if(NOT LIERE_TORCH_GOMP)
  set(LIERE_TORCH_GOMP gomp)
endif()

add_library(liere_torch INTERFACE)
target_include_directories(liere_torch SYSTEM INTERFACE ${LIERE_TORCH}/include ${LIERE_TORCH}/include/torch/csrc/api/include)
target_compile_definitions(liere_torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
# -fopenmp: without it at::parallel_for runs serially, silently. One OpenMP runtime for all: the wheel's.
target_compile_options(liere_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
# DT_RPATH, not RUNPATH: it also serves the libraries of libraries. CMake writes the folders of the libraries below into it and removes it at installation
# (a path given by -Wl,-rpath would stay, and win over LD_LIBRARY_PATH). Those of the wheel find NVIDIA's packages through their own DT_RPATH
# ($ORIGIN/../../nvidia/...), at run time; the linker does not look there, hence allow-shlib-undefined.
target_link_options(liere_torch INTERFACE -Wl,--disable-new-dtags -Wl,--allow-shlib-undefined)
target_link_libraries(liere_torch INTERFACE ${LIERE_TORCH}/lib/libtorch_cpu.so ${LIERE_TORCH}/lib/libc10.so ${LIERE_TORCH_GOMP})

# torch/torch.h costs half a minute: it is compiled once, here, and reused.
file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cpp.in "// the precompiled header's own translation unit\n")
configure_file(${CMAKE_BINARY_DIR}/torch_pch.cpp.in ${CMAKE_BINARY_DIR}/torch_pch.cpp COPYONLY)
add_library(liere_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cpp)
target_link_libraries(liere_torch_pch PUBLIC liere_torch)
target_precompile_headers(liere_torch_pch PRIVATE <torch/torch.h>)
liere_compile_settings(liere_torch_pch)

function(liere_use_torch target)
  target_link_libraries(${target} PUBLIC liere_torch)
  target_precompile_headers(${target} REUSE_FROM liere_torch_pch)
endfunction()
