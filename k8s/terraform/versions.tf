# `terraform init` writes .terraform.lock.hcl with the hashes of the provider: keep that file, too.
terraform {
  required_version = "~> 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  default_labels = {
    "managed-by" = "terraform"
    "part-of"    = var.name
  }
}
