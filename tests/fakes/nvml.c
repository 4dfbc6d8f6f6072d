/* A small libnvidia-ml.so.1 for tests: its GPUs are what a text file says, read anew
   at each call, so that the real Python binding runs against devices that change.

   First line: result of nvmlInit. Then one line a GPU: result, UUID, MiB total, MiB
   free, name. A result is an nvmlReturn_t (0 = success, 15 = GPU is lost, ...). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GPUS 64
typedef int result_t;
typedef struct { int result; char uuid[80]; unsigned long long total, free; char name[96]; } gpu_t;
typedef struct { unsigned long long total, free, used; } memory_t;

static gpu_t gpus[GPUS];
static int count, init_result, initialized;

static void read_state(void) {
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    count = 0;
    init_result = 9; /* driver not loaded */
    if (!file) return;
    if (fscanf(file, "%d", &init_result) != 1) init_result = 9;
    while (count < GPUS) {
        gpu_t *gpu = &gpus[count];
        if (fscanf(file, "%d %79s %llu %llu %95[^\n]", &gpu->result, gpu->uuid,
                   &gpu->total, &gpu->free, gpu->name) != 5) break;
        count++;
    }
    fclose(file);
}

static result_t find(void *device, gpu_t **gpu) {
    size_t index = (size_t)device - 1;
    read_state();
    if (!initialized) return 1;
    if (index >= (size_t)count) return 6;
    *gpu = &gpus[index];
    return (*gpu)->result;
}

static result_t text(const char *from, char *to, unsigned int size) {
    if (strlen(from) + 1 > size) return 7;
    strcpy(to, from);
    return 0;
}

result_t nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    read_state();
    initialized = init_result == 0;
    return init_result;
}

result_t nvmlShutdown(void) { initialized = 0; return 0; }

const char *nvmlErrorString(result_t result) {
    switch (result) {
    case 1: return "Uninitialized";
    case 9: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

result_t nvmlDeviceGetCount_v2(unsigned int *out) {
    read_state();
    if (!initialized) return 1;
    *out = (unsigned int)count;
    return 0;
}

result_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    gpu_t *gpu;
    *device = (void *)((size_t)index + 1);
    return find(*device, &gpu);
}

result_t nvmlDeviceGetUUID(void *device, char *out, unsigned int size) {
    gpu_t *gpu;
    result_t result = find(device, &gpu);
    return result ? result : text(gpu->uuid, out, size);
}

result_t nvmlDeviceGetName(void *device, char *out, unsigned int size) {
    gpu_t *gpu;
    result_t result = find(device, &gpu);
    return result ? result : text(gpu->name[0] == ' ' ? gpu->name + 1 : gpu->name, out, size);
}

result_t nvmlDeviceGetMemoryInfo(void *device, memory_t *out) {
    gpu_t *gpu;
    result_t result = find(device, &gpu);
    if (result) return result;
    out->total = gpu->total << 20;
    out->free = gpu->free << 20;
    out->used = out->total - out->free;
    return 0;
}
