import { defineErrors } from './define';

export const servicesErrors = defineErrors({});
