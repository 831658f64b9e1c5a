variable "project_id" {
  description = "Google Cloud project that everything is made in; it must exist and have billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "region" {
  description = "Region of the cluster and the registry. The control plane and the nodes are spread over its zones."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Name a region such as europe-west1, not a zone such as europe-west1-b."
  }
}

variable "zones" {
  description = "Zones that nodes run in; empty means those that Google chooses in the region. Name the zones that have your GPUs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))])
    error_message = "Name zones such as europe-west1-b."
  }
}

variable "name" {
  description = "Name of the cluster; what belongs to it begins with this name."
  type        = string
  default     = "conveyor"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 17 lower-case letters, digits and hyphens and begins with a letter."
  }
}

variable "administrator_ranges" {
  description = "Networks from which kubectl may reach the control plane, by a name that says whose they are. Nobody else gets as far as the login."
  type        = map(string)

  validation {
    condition     = length(var.administrator_ranges) > 0 && alltrue([for range in values(var.administrator_ranges) : can(cidrhost(range, 0))])
    error_message = "Give at least one network in CIDR notation, such as { office = \"203.0.113.0/24\" }."
  }

  validation {
    condition     = alltrue([for range in values(var.administrator_ranges) : try(tonumber(split("/", range)[1]), 0) >= 8])
    error_message = "A network larger than a /8 is the whole internet, or nearly."
  }
}

variable "node_port_ranges" {
  description = "Networks that may reach NodePorts, that is the first steps of pipelines directly; empty means none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.node_port_ranges : can(cidrhost(range, 0))])
    error_message = "Give networks in CIDR notation, such as 203.0.113.0/24."
  }
}

variable "nodes_range" {
  description = "Addresses of the nodes (IPv4, CIDR)."
  type        = string
  default     = "10.10.0.0/20"

  validation {
    condition     = can(cidrhost(var.nodes_range, 0))
    error_message = "Give a network in CIDR notation."
  }
}

variable "pods_range" {
  description = "Addresses of the pods (IPv4, CIDR). The dispatcher sends images there and nowhere else: --pod-cidrs must cover it."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.pods_range, 0))
    error_message = "Give a network in CIDR notation."
  }
}

variable "services_range" {
  description = "Addresses of the Services (IPv4, CIDR)."
  type        = string
  default     = "10.30.0.0/20"

  validation {
    condition     = can(cidrhost(var.services_range, 0))
    error_message = "Give a network in CIDR notation."
  }
}

variable "control_plane_range" {
  description = "Addresses of the control plane; exactly a /28 that nothing else uses."
  type        = string
  default     = "172.16.0.0/28"

  validation {
    condition     = can(cidrhost(var.control_plane_range, 0)) && endswith(var.control_plane_range, "/28")
    error_message = "Give a /28 in CIDR notation."
  }
}

variable "release_channel" {
  description = "How early the cluster gets new versions of Kubernetes: RAPID, REGULAR or STABLE."
  type        = string
  default     = "REGULAR"

  validation {
    condition     = contains(["RAPID", "REGULAR", "STABLE"], var.release_channel)
    error_message = "The release channel is RAPID, REGULAR or STABLE."
  }
}

variable "cpu_pool" {
  description = "Nodes without GPU: machine type, least and most nodes in the whole cluster, and whether Google may take them away at any time for a lower price. The dispatcher runs here, on one of them."
  type = object({
    machine_type = optional(string, "c3-standard-4")
    min_nodes    = optional(number, 1)
    max_nodes    = optional(number, 6)
    spot         = optional(bool, false)
  })
  default = {}

  validation {
    condition     = var.cpu_pool.min_nodes >= 1 && var.cpu_pool.max_nodes >= var.cpu_pool.min_nodes && var.cpu_pool.max_nodes <= 1000
    error_message = "The pool needs 1 <= min_nodes <= max_nodes <= 1000."
  }
}

variable "gpu_pool" {
  description = "Nodes with GPUs, for steps that ask for nvidia.com/gpu; none are made while max_nodes is 0. They come when a pod needs one and go when none does."
  type = object({
    machine_type  = optional(string, "g2-standard-8")
    gpu_type      = optional(string, "nvidia-l4")
    gpus_per_node = optional(number, 1)
    min_nodes     = optional(number, 0)
    max_nodes     = optional(number, 0)
    spot          = optional(bool, true)
  })
  default = {}

  validation {
    condition     = var.gpu_pool.min_nodes >= 0 && var.gpu_pool.max_nodes >= var.gpu_pool.min_nodes && var.gpu_pool.max_nodes <= 1000
    error_message = "The pool needs 0 <= min_nodes <= max_nodes <= 1000."
  }

  validation {
    condition     = contains([1, 2, 4, 8, 16], var.gpu_pool.gpus_per_node)
    error_message = "A node has 1, 2, 4, 8 or 16 GPUs."
  }
}

variable "dispatcher_service_account" {
  description = "Kubernetes service account of the dispatcher, as NAMESPACE/NAME."
  type        = string
  default     = "conveyor/dispatcher"

  validation {
    condition     = can(regex("^[a-z0-9-]+/[a-z0-9.-]+$", var.dispatcher_service_account))
    error_message = "Give NAMESPACE/NAME."
  }
}

variable "image_writers" {
  description = "Who may push images, such as group:release@example.com; empty means nobody but the project's owners."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.image_writers : can(regex("^(user|group|serviceAccount|principal|principalSet):", member))])
    error_message = "Each member begins with user:, group:, serviceAccount:, principal: or principalSet:."
  }
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the cluster. Set it to false, apply, then destroy."
  type        = bool
  default     = true
}
