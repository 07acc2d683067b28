# Checks for what the build needs from the machine. They run before CMake's own checks, so that the first line of an
# error names the package to install.

# refuse(<what is missing> <package of Debian and Ubuntu> <of Fedora> <of Homebrew>)
function(refuse missing debian fedora homebrew)
  message(FATAL_ERROR "${missing}. One of these commands installs what is missing:\n"
                      "  apt-get install ${debian}   (Debian, Ubuntu)\n"
                      "  dnf install ${fedora}   (Fedora)\n"
                      "  brew install ${homebrew}   (Homebrew)\n"
                      "and run the same command again.")
endfunction()

# Called before project(), which also looks for Ninja and a compiler.
function(need_build_tools)
  if(CMAKE_GENERATOR MATCHES "Ninja" AND NOT CMAKE_MAKE_PROGRAM)
    find_program(ninja NAMES ninja ninja-build samu NO_CACHE)
    if(NOT ninja)
      refuse("Ninja is not installed" ninja-build ninja-build ninja)
    endif()
  endif()
  if(CMAKE_CXX_COMPILER OR CMAKE_TOOLCHAIN_FILE)
    return()
  endif()
  set(names c++ g++ clang++ icpx)
  if(NOT "$ENV{CXX}" STREQUAL "")
    # scikit-build-core sets CXX to the compiler that Python was built with, installed or not.
    separate_arguments(names UNIX_COMMAND "$ENV{CXX}")
    list(GET names 0 names)
  endif()
  find_program(compiler NAMES ${names} NO_CACHE)
  if(NOT compiler)
    list(JOIN names ", " looked_for)
    refuse("There is no C++ compiler (looked for ${looked_for})" g++ gcc-c++ gcc)
  endif()
endfunction()

macro(need_python_headers)
  find_package(Python 3.11 QUIET COMPONENTS Interpreter Development.Module)
  if(NOT Python_Development.Module_FOUND)
    set(minor ${Python_VERSION_MAJOR}.${Python_VERSION_MINOR})
    refuse("The headers of Python ${Python_VERSION} (${Python_EXECUTABLE}) are not installed"
           "python3-dev, or python${minor}-dev" "python3-devel, or python${minor}-devel" python@${minor})
  endif()
endmacro()

macro(need_pybind11 version)
  find_package(pybind11 ${version} CONFIG QUIET)
  if(NOT pybind11_FOUND)
    message(FATAL_ERROR "pybind11 ${version} or newer is not installed, or not found. Run\n"
                        "  pip install 'pybind11>=${version}'\n"
                        "and give CMake -Dpybind11_DIR=$(python -m pybind11 --cmakedir).")
  endif()
endmacro()

macro(need_doctest)
  find_package(doctest QUIET)
  if(NOT doctest_FOUND)
    refuse("The C++ tests need doctest, which is not installed" doctest-dev doctest-devel doctest)
  endif()
endmacro()
