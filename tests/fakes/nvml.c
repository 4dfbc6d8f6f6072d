/* A small libnvidia-ml.so.1 for tests: its GPUs are what a text file says, looked at
   anew at each call, so that the real Python binding runs against devices that change.

   FAKE_NVML_STATE: first line the result of nvmlInit, then one line a GPU: key=value,
   parted by tabs. `result` holds for all calls on the GPU; any other value may be
   !N, the result of the calls that ask for it. Results are nvmlReturn_t: 0 success,
   3 not supported, 15 GPU is lost, ... `total`, `free`, `reserved` (by the driver) and
   the MiB of `processes` (pid:MiB, ... where ? is not told) are MiB; `power` and
   `power_limit` watts. `memory_v2` and `temperature_v` are results of newer calls.

   Results and texts are those of driver 580 with an H100.

   FAKE_NVML_EVENTS: lines of GPU index and XID, each told once to an event set that was
   there when it was added. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GPUS 64
#define PROCESSES 64
#define XID_EVENT 8ull
#define UNKNOWN (~0ull)
enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, TOO_SMALL = 7, NO_DRIVER = 9,
       TIMEOUT = 10, VERSION_MISMATCH = 25 };
/* nvmlMemory_v2, nvmlTemperature_v1: size and version of the structure */
#define VERSION(type, number) ((unsigned int)sizeof(type) | number << 24)

typedef int result_t;
typedef struct { int result; long long value; } number_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int version; int sensor, celsius; } temperature_t;
typedef struct { void *device; unsigned long long type, data; unsigned int gi, ci; } event_t;

enum { RESULT, TOTAL, FREE, RESERVED, MEMORY_V2, UTILIZATION, MEMORY_UTILIZATION, TEMPERATURE, TEMPERATURE_V,
       POWER, POWER_LIMIT, CLOCK_SM, CLOCK_MEMORY, EVENTS, NUMBERS };
static const char *NAMES[NUMBERS] = {
    "result", "total", "free", "reserved", "memory_v2", "utilization",
    "memory_utilization", "temperature", "temperature_v", "power", "power_limit", "clock_sm", "clock_memory", "events"};

typedef struct {
    char uuid[80], name[96];
    number_t numbers[NUMBERS];
    process_t processes[PROCESSES];
    int process_count, processes_result;
} gpu_t;

static gpu_t gpus[GPUS];
static int count, init_result, initialized;
static struct stat seen;
static int watched[GPUS];
static long events_read;

static void copy(char *to, const char *from, size_t size) {
    snprintf(to, size, "%s", from);
}

static number_t number(const char *text) {
    number_t read = {0, 0};
    if (*text == '!') read.result = atoi(text + 1);
    else read.value = atoll(text);
    return read;
}

static void read_processes(gpu_t *gpu, char *text) {
    char *rest = NULL, *pair = strtok_r(text, ",", &rest);
    gpu->processes_result = *text == '!' ? atoi(text + 1) : OK;
    for (; pair && !gpu->processes_result; pair = strtok_r(NULL, ",", &rest)) {
        process_t *process = &gpu->processes[gpu->process_count++];
        char *mib = strchr(pair, ':') + 1;
        process->pid = (unsigned int)atoi(pair);
        process->used = *mib == '?' ? UNKNOWN : strtoull(mib, NULL, 10) << 20;
        process->gi = process->ci = ~0u;
    }
}

static void read_field(gpu_t *gpu, char *field) {
    char *value = strchr(field, '=');
    if (!value) return;
    *value++ = 0;
    if (!strcmp(field, "uuid")) copy(gpu->uuid, value, sizeof gpu->uuid);
    if (!strcmp(field, "name")) copy(gpu->name, value, sizeof gpu->name);
    if (!strcmp(field, "processes")) read_processes(gpu, value);
    for (int i = 0; i < NUMBERS; i++)
        if (!strcmp(field, NAMES[i])) gpu->numbers[i] = number(value);
}

static void read_gpus(FILE *file) {
    char line[4096], *rest, *field;
    count = 0;
    init_result = fgets(line, sizeof line, file) ? atoi(line) : NO_DRIVER;
    while (count < GPUS && fgets(line, sizeof line, file)) {
        gpu_t *gpu = &gpus[count];
        memset(gpu, 0, sizeof *gpu);
        line[strcspn(line, "\n")] = 0;
        for (field = strtok_r(line, "\t", &rest); field; field = strtok_r(NULL, "\t", &rest))
            read_field(gpu, field);
        count += gpu->uuid[0] != 0;
    }
}

/* Read again only when it was replaced: tests measure how long a reading takes. */
static void look(void) {
    const char *path = getenv("FAKE_NVML_STATE");
    struct stat now;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file || fstat(fileno(file), &now)) { count = 0; init_result = NO_DRIVER; }
    else if (now.st_ino != seen.st_ino || now.st_size != seen.st_size
             || memcmp(&now.st_mtim, &seen.st_mtim, sizeof now.st_mtim)) {
        read_gpus(file);
        seen = now;
    }
    if (file) fclose(file);
}

static result_t find(void *device, gpu_t **gpu) {
    size_t index = (size_t)device - 1;
    look();
    if (!initialized) return UNINITIALIZED;
    if (index >= (size_t)count) return INVALID_ARGUMENT;
    *gpu = &gpus[index];
    return (*gpu)->numbers[RESULT].value;
}

static result_t ask(void *device, int which, unsigned int times, unsigned int *out) {
    gpu_t *gpu;
    result_t result = find(device, &gpu);
    if (result) return result;
    if (!gpu->numbers[which].result) *out = (unsigned int)gpu->numbers[which].value * times;
    return gpu->numbers[which].result;
}

static result_t text(const char *from, char *to, unsigned int size) {
    if (strlen(from) + 1 > size) return TOO_SMALL;
    strcpy(to, from);
    return OK;
}

result_t nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    look();
    initialized = init_result == OK;
    return init_result;
}

result_t nvmlShutdown(void) { initialized = 0; return OK; }

const char *nvmlErrorString(result_t result) {
    switch (result) {
    case 0: return "Success";
    case 1: return "Uninitialized";
    case 2: return "Invalid Argument";
    case 3: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case 6: return "Not Found";
    case 7: return "Insufficient Size";
    case 9: return "Driver Not Loaded";
    case 10: return "Timeout";
    case 12: return "NVML Shared Library Not Found";
    case 13: return "Function Not Found";
    case 15: return "GPU is lost";
    case 16: return "GPU requires reset";
    case 17: return "GPU access blocked by the operating system";
    case 18: return "Driver/library version mismatch";
    case 21: return "No data";
    case 25: return "Argument version mismatch";
    default: return "Unknown Error";
    }
}

result_t nvmlDeviceGetCount_v2(unsigned int *out) {
    look();
    if (!initialized) return UNINITIALIZED;
    *out = (unsigned int)count;
    return init_result;
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
    return result ? result : text(gpu->name, out, size);
}

result_t nvmlDeviceGetMemoryInfo(void *device, memory_t *out) {
    unsigned int total, free;
    result_t result = ask(device, TOTAL, 1, &total);
    if (!result) result = ask(device, FREE, 1, &free);
    if (result) return result;
    out->total = (unsigned long long)total << 20;
    out->free = (unsigned long long)free << 20;
    out->used = out->total - out->free;
    return OK;
}

result_t nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2_t *out) {
    unsigned int unused, reserved;
    memory_t all;
    result_t result = ask(device, MEMORY_V2, 1, &unused);
    if (!result) result = ask(device, RESERVED, 1, &reserved);
    if (!result) result = nvmlDeviceGetMemoryInfo(device, &all);
    if (result) return result;
    if (out->version != VERSION(memory_v2_t, 2)) return VERSION_MISMATCH;
    out->total = all.total;
    out->free = all.free;
    out->reserved = (unsigned long long)reserved << 20;
    out->used = all.used - out->reserved;
    return OK;
}

result_t nvmlDeviceGetUtilizationRates(void *device, utilization_t *out) {
    result_t result = ask(device, UTILIZATION, 1, &out->gpu);
    return result ? result : ask(device, MEMORY_UTILIZATION, 1, &out->memory);
}

result_t nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *out) {
    (void)sensor;
    return ask(device, TEMPERATURE, 1, out);
}

result_t nvmlDeviceGetTemperatureV(void *device, temperature_t *out) {
    unsigned int unused, celsius = 0;
    result_t result = ask(device, TEMPERATURE_V, 1, &unused);
    if (!result && out->version != VERSION(temperature_t, 1)) return VERSION_MISMATCH;
    if (!result) result = ask(device, TEMPERATURE, 1, &celsius);
    out->celsius = (int)celsius;
    return result;
}

result_t nvmlDeviceGetPowerUsage(void *device, unsigned int *out) {
    return ask(device, POWER, 1000, out);
}

result_t nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned int *out) {
    return ask(device, POWER_LIMIT, 1000, out);
}

/* NVML_CLOCK_SM is 1, NVML_CLOCK_MEM is 2. */
result_t nvmlDeviceGetClockInfo(void *device, int type, unsigned int *out) {
    return ask(device, type == 1 ? CLOCK_SM : CLOCK_MEMORY, 1, out);
}

result_t nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *room, process_t *out) {
    gpu_t *gpu;
    unsigned int given = *room;
    result_t result = find(device, &gpu);
    if (!result) result = gpu->processes_result;
    if (result) return result;
    *room = (unsigned int)gpu->process_count;
    if (given < *room) return TOO_SMALL;
    if (*room) memcpy(out, gpu->processes, sizeof *out * *room);
    return OK;
}

static FILE *open_events(void) {
    const char *path = getenv("FAKE_NVML_EVENTS");
    return path ? fopen(path, "r") : NULL;
}

result_t nvmlEventSetCreate(void **set) {
    FILE *file = open_events();
    events_read = 0;
    if (file) {
        fseek(file, 0, SEEK_END);
        events_read = ftell(file);
        fclose(file);
    }
    memset(watched, 0, sizeof watched);
    *set = (void *)1;
    return initialized ? OK : UNINITIALIZED;
}

result_t nvmlEventSetFree(void *set) {
    (void)set;
    memset(watched, 0, sizeof watched);
    return OK;
}

result_t nvmlDeviceGetSupportedEventTypes(void *device, unsigned long long *types) {
    unsigned int unused;
    *types = XID_EVENT;
    return ask(device, EVENTS, 1, &unused);
}

result_t nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set) {
    unsigned int unused;
    result_t result = ask(device, EVENTS, 1, &unused);
    (void)set;
    if (!result && types & XID_EVENT) watched[(size_t)device - 1] = 1;
    return result;
}

result_t nvmlEventSetWait_v2(void *set, event_t *out, unsigned int timeout_ms) {
    FILE *file = open_events();
    int index, xid, found = 0;
    (void)set, (void)timeout_ms;
    if (!initialized) { if (file) fclose(file); return UNINITIALIZED; }
    if (!file) return TIMEOUT;
    fseek(file, events_read, SEEK_SET);
    while (!found && fscanf(file, "%d %d\n", &index, &xid) == 2) found = watched[index];
    events_read = ftell(file);
    fclose(file);
    if (!found) return TIMEOUT;
    memset(out, 0, sizeof *out);
    out->device = (void *)((size_t)index + 1);
    out->type = XID_EVENT;
    out->data = (unsigned long long)xid;
    return OK;
}
