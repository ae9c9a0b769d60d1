# nvcc for the .cu files, which never include torch headers. CMake 3.25 does not know the CUDA20 dialect: -std=c++20 is passed by hand.
set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90a-real 100-real 120-real 120-virtual CACHE STRING "GPU architectures")
set(CMAKE_CUDA_STANDARD 17)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
string(APPEND CMAKE_CUDA_FLAGS " -std=c++20")
